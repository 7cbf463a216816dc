//! oscar-lake
