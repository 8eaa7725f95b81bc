//! `hookgate plugin new`: a project that builds and passes its tests as it is.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use hookgate_plugin_kit::{Export, Language, template};
use serde_json::json;

use crate::cli::output::{Output, line};
use crate::domain::plugin::PluginName;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin new only-small --lang rust
  hookgate plugin new wants-it --lang ts --export filter
  hookgate plugin new newest-wins --lang python --export fold --in plugins

A transform changes, replaces or drops an event on its way to a subscription; a filter says whether
the subscription wants it; a fold merges waiting events of one key; a receiver turns a provider's
webhook into events.")]
pub(super) struct NewArgs {
    /// a-z, 0-9 and -, starting with a letter; also the folder's name
    name: PluginName,
    /// What to write it in
    #[arg(long, value_name = "LANGUAGE", value_parser = languages())]
    lang: Language,
    /// What it exports; repeat it for several
    #[arg(long = "export", value_name = "EXPORT", default_value = "transform", value_parser = exports())]
    exports: Vec<Export>,
    /// Where to make its folder
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    parent: PathBuf,
}

fn languages() -> impl TypedValueParser<Value = Language> {
    let names = Language::ALL.map(|language| language.to_string());
    PossibleValuesParser::new(names).try_map(|text| text.parse::<Language>())
}

fn exports() -> impl TypedValueParser<Value = Export> {
    let names = Export::ALL.map(|export| export.to_string());
    PossibleValuesParser::new(names).try_map(|text| text.parse::<Export>())
}

pub(super) fn run(args: NewArgs, output: Output) -> anyhow::Result<ExitCode> {
    let folder = args.parent.join(args.name.as_str());
    if folder.exists() {
        bail!(
            "{} is there already\n  cure: choose another name, or another place with --in",
            folder.display()
        );
    }
    template::create(&folder, args.name.as_str(), args.lang, &args.exports)?;
    let exports: Vec<String> = args.exports.iter().map(ToString::to_string).collect();
    if output.json {
        let made = json!({"name": args.name, "folder": folder, "language": args.lang.to_string(), "exports": exports});
        line(&made.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (name, folder) = (args.name, folder.display());
    line(&format!(
        "{name}  a {} in {}, in {folder}

  cd {folder}
  hookgate plugin test                       # builds it and runs tests/*.json
  hookgate plugin run                        # shows it event.json
  hookgate plugin push                       # to the gateway; then name it in a subscription:
  hookgate subscriptions create '*' --to http://127.0.0.1:9000/ --plugin {name}

README.md there tells the rest.",
        exports.join(" and "),
        args.lang,
    ))?;
    Ok(ExitCode::SUCCESS)
}
