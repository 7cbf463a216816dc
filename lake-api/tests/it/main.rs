//! Integration tests of the service, the command line and the demo's data.

mod access;
mod command_line;
mod demo;
mod generated_registers;
mod http;
mod login;
mod offline_verification;
mod openapi;
mod releases;
mod world;
