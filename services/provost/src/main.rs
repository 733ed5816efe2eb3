//! Reads the command line, runs the command, and ends with its exit code.

use clap::Parser;
use provost::arguments::Arguments;
use provost::console::Console;
use provost::failure::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Console::standard().fail(&format!("the runtime cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(provost::command::run(arguments, Console::standard()));
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(failure) => {
            if let Some(text) = failure.text() {
                Console::standard().fail(&text);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
