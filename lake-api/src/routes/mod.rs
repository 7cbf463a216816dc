//! The routes of `/v1`: each takes a [`Caller`](crate::server::caller::Caller) first, then
//! what it needs of the request, and answers with a type of [`crate::api`].

pub(crate) mod audit;
pub(crate) mod catalogue;
pub(crate) mod content;
pub(crate) mod keys;
pub(crate) mod permit;
pub(crate) mod present;
pub(crate) mod problems;
pub(crate) mod queries;
pub(crate) mod releases;
pub(crate) mod review;
