//! oscar-query
