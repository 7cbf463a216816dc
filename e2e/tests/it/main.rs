//! Sentences about the whole system.

mod house;
