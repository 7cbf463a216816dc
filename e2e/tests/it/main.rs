//! Sentences about the whole system.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod api_fuzzing;
mod charts;
mod command_line;
mod container_images;
mod exported_metrics;
mod helm;
mod house;
mod interruptions;
mod memory;
mod outages;
mod promql;
mod readme;
mod rendered_charts;
mod whole_path;
