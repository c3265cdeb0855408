//! Who a client outside is.
//!
//! | file | decides |
//! |--|--|
//! | [`authenticator`] | which of the ways of a route applies, and whom to ask first |
//! | [`bearer`] | where a token stands in a request |
//! | [`jwt`] | whether a signed token holds, and whom it names |
//! | [`issuer`] | keys of an issuer, kept fresh |
//! | [`introspect`] | tokens only their issuer can judge |
//! | [`api_key`] | secrets in a header, and the file of their digests |

pub mod api_key;
pub mod authenticator;
pub mod bearer;
pub mod introspect;
pub mod issuer;
pub mod jwt;

use crate::identity::principal::Principal;
use portcullis_ca::time::Timestamp;

/// A client that has said who it is, and was believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The user, as it is told to services.
    pub principal: Principal,
    /// Chooses among the rates of a limit.
    pub tier: Option<Box<str>>,
    /// Claims that rules ask about: name and value; a list stands here once for each of its values.
    pub claims: Vec<(Box<str>, Box<str>)>,
    /// Id of its API key.
    pub api_key: Option<Box<str>>,
    /// When what it has shown ends; `None` = not by itself.
    pub expires: Option<Timestamp>,
}
