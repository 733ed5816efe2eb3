//! The order generator, alone in its process.

use provost_order_generator::{Config, assemble};
use std::process::ExitCode;

fn main() -> ExitCode {
    provost_service_kit::start::main("PROVOST_ORDER_GENERATOR", |config: &Config| config.listen, assemble)
}
