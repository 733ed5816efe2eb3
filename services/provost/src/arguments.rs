//! The command line.

use crate::client::ServerArgument;
use crate::command::Command;
use crate::session::OutputFormat;
use clap::Parser;

/// Writes what your role model decides into the systems you run, and knows for every value whether it got there.
#[derive(Debug, Parser)]
#[command(
    name = "provost",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: GlobalArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArguments {
    /// Where the suite is [default: http://127.0.0.1:7400], or where one service is: fulfillment=http://127.0.0.1:7402. May be repeated; several for the same are its replicas.
    #[arg(long, global = true, env = "PROVOST_SERVER", value_name = "[SERVICE=]ADDRESS", value_delimiter = ',')]
    pub server: Vec<ServerArgument>,
    /// The form of the output of client commands; up, demo and sample write for people.
    #[arg(long, short, global = true, value_enum, default_value_t)]
    pub output: OutputFormat,
    /// In whose name: what histories keep.
    #[arg(
        long = "as",
        global = true,
        env = "USER",
        value_name = "NAME",
        default_value = "anonymous",
        hide_env_values = true
    )]
    pub actor: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_sets_what_every_command_takes_apart_and_shows_no_empty_default() {
        let mut commands = vec![Arguments::command()];
        commands.iter_mut().for_each(clap::Command::build);
        while let Some(mut command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let help = command.render_long_help().to_string();
            assert!(!help.contains("[default: \"\"]") && !help.contains("[default: ]"), "{help}");
            if let Some((own, global)) = help.split_once("Global options:") {
                assert!(!own.contains("--server") && global.contains("--server"), "{help}");
            } else {
                assert!(!help.contains("--server"), "{help}");
            }
        }
    }

    #[test]
    fn globals_may_follow_the_command() {
        let arguments = Arguments::try_parse_from([
            "provost",
            "orders",
            "list",
            "--output",
            "json",
            "--server",
            "http://127.0.0.1:1,review=http://127.0.0.1:3",
            "--server",
            "fulfillment=127.0.0.1:2",
            "--as",
            "ada",
        ]);
        let global = arguments.unwrap().global;
        assert_eq!(global.output, OutputFormat::Json);
        assert_eq!(global.server.len(), 3);
        assert_eq!(global.actor, "ada");
    }

    #[test]
    fn confirming_nothing_names_what_confirms_all() {
        let error = Arguments::try_parse_from(["provost", "manual", "confirm"]).unwrap_err().to_string();
        assert!(error.contains("--all"), "{error}");
    }

    #[test]
    fn mistakes_are_usage_errors() {
        for wrong in [
            &["provost"] as &[&str],
            &["provost", "orders", "lsit"],
            &["provost", "orders", "list", "--state", "blue"],
            &["provost", "orders", "cancel", "0123456"],
            &["provost", "review", "decline", "0123456"],
            &["provost", "manual", "confirm"],
            &["provost", "manual", "confirm", "--all", "0123456"],
            &["provost", "manual", "report-error", "0123456"],
            &["provost", "manual", "assign", "0123456"],
            &["provost", "manual", "assign", "--to", "ada"],
            &["provost", "manual", "assign", "0123456", "--to", "ada", "--to-me"],
            &["provost", "manual", "comment", "0123456"],
            &["provost", "manual", "list", "--mine", "--unassigned"],
            &["provost", "manual", "confirm", "--all", "--seen", "3"],
            &["provost", "orders", "list", "--older-than", "3"],
            &["provost", "jobs", "run", "complete", "--force-review", "--waive-review"],
            &["provost", "jobs", "resume", "0123456"],
            &["provost", "catalog", "apply"],
            &["provost", "jobs", "list", "--server", "nobody=http://127.0.0.1:1"],
        ] {
            let error = Arguments::try_parse_from(wrong).map(|_| ()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong:?}");
        }
    }
}
