//! The agent as a program of its own.

use provost_agent::{Config, assemble};
use std::process::ExitCode;

fn main() -> ExitCode {
    provost_service_kit::start::main("PROVOST_AGENT", |config: &Config| config.listen, assemble)
}
