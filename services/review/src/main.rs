//! The review service as a program of its own.

use provost_review::{Config, assemble};
use std::process::ExitCode;

fn main() -> ExitCode {
    provost_service_kit::start::main("PROVOST_REVIEW", |config: &Config| config.listen, assemble)
}
