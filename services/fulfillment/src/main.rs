//! The fulfillment service as a program of its own.

use provost_fulfillment::{Config, assemble};
use std::process::ExitCode;

fn main() -> ExitCode {
    provost_service_kit::start::main("PROVOST_FULFILLMENT", |config: &Config| config.listen, assemble)
}
