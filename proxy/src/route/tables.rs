//! A table for each kind of listener: what clients outside may ask for is no business of the mesh, and the other
//! way round. Indexes are those of the configuration in every table. Pure.

use super::ambiguity::BuildError;
use super::table::RouteTable;
use crate::config::Route;
use crate::config::listener::Role;

/// The tables of a configuration.
#[derive(Debug)]
pub struct RouteTables {
    /// A handful: going through them is quicker than hashing.
    tables: Vec<(Role, RouteTable)>,
    nothing: RouteTable,
}

impl RouteTables {
    /// Builds all of them, or says everything that is wrong with the routes.
    pub fn build(routes: &[Route]) -> Result<Self, Vec<BuildError>> {
        let mut roles: Vec<Role> = Vec::new();
        for route in routes {
            if !roles.contains(&route.entrance.table()) {
                roles.push(route.entrance.table());
            }
        }
        let (mut tables, mut errors) = (Vec::with_capacity(roles.len()), Vec::new());
        for role in roles {
            match RouteTable::build_where(routes, |route| route.entrance.table() == role) {
                Ok(table) => tables.push((role, table)),
                Err(found) => errors.extend(found),
            }
        }
        let nothing = RouteTable::build_where(routes, |_| false)?;
        if errors.is_empty() { Ok(Self { tables, nothing }) } else { Err(errors) }
    }

    /// The table for connections of this role.
    pub fn of(&self, role: Role) -> &RouteTable {
        let role = role.table();
        self.tables.iter().find(|(own, _)| *own == role).map_or(&self.nothing, |(_, table)| table)
    }
}
