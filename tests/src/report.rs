//! What was wrong in the rows of a table: all of it in one run.

use std::fmt::Display;

/// Complaints so far.
#[derive(Debug, Default)]
pub struct Report {
    row: String,
    complaints: Vec<String>,
    rows: usize,
}

impl Report {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What follows belongs to this row.
    pub fn row(&mut self, id: &str, name: impl Display) {
        self.row = format!("{id} {name}");
        self.rows += 1;
    }

    /// Complains when `sound` does not hold.
    pub fn check(&mut self, sound: bool, complaint: impl FnOnce() -> String) {
        if !sound {
            self.complaints.push(format!("{}: {}", self.row, complaint()));
        }
    }

    /// Complains when the two differ.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, got: T, expected: T) {
        self.check(got == expected, || format!("{what} is {got:?}, expected {expected:?}"));
    }

    /// How many complaints there are.
    pub fn complaints(&self) -> usize {
        self.complaints.len()
    }

    /// Ends the table.
    ///
    /// # Panics
    /// With every complaint, when there is one; also when there was no row at all.
    pub fn end(self) {
        assert!(self.rows > 0, "the table has no rows");
        assert!(
            self.complaints.is_empty(),
            "{} complaints in {} rows:\n  {}\n",
            self.complaints.len(),
            self.rows,
            self.complaints.join("\n  ")
        );
    }
}
