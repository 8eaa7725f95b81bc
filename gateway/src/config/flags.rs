//! The settings as flags of a command, made from the list of keys.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, StyledStr};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::keys::{KEYS, Key, Kind};

const CONFIG: &str = "config";

/// What was given on the command line. Flatten it into a command's arguments.
#[derive(Clone, Default)]
pub struct Flags {
    /// The file to read instead of `./hookgate.toml`.
    pub config_file: Option<PathBuf>,
    pub(super) values: BTreeMap<&'static str, String>,
}

impl Flags {
    fn read(&mut self, matches: &ArgMatches) {
        if let Some(file) = matches.get_one::<PathBuf>(CONFIG) {
            self.config_file = Some(file.clone());
        }
        let given = KEYS
            .iter()
            .filter_map(|key| Some((key.name, matches.get_one::<String>(key.name)?.clone())));
        self.values.extend(given);
    }
}

/// Some flags are secrets, so only names print.
impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flags")
            .field("config_file", &self.config_file)
            .field("given", &self.values.keys())
            .finish()
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.read(matches);
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.read(matches);
        Ok(())
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Settings as TOML [default: ./hookgate.toml where there is one]");
        command.arg(config).args(KEYS.iter().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(key: &Key) -> Arg {
    let argument = Arg::new(key.name)
        .long(key.flag)
        .value_name("VALUE")
        .action(ArgAction::Set)
        .help(help(key));
    if key.kind == Kind::Switch {
        let truth = PossibleValuesParser::new(["true", "false"]);
        return argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(truth)
            .hide_possible_values(true);
    }
    argument
}

fn help(key: &Key) -> StyledStr {
    let default = match (key.kind, key.default) {
        (Kind::Plain, Some(default)) => format!(" [default: {default}]"),
        _ => String::new(),
    };
    format!("{} [env: {}]{default}", key.help, key.variable).into()
}
