//! `hookgate plugin new`: a project to start from.
//!
//! What stands in it is the kit's business.

use std::path::PathBuf;
use std::process::ExitCode;

use hookgate_plugin_kit::{Export, Language, template};
use serde_json::json;

use crate::cli::output::{Output, line};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin new only-small --lang ts
  hookgate plugin new acme-hooks --lang python --export receiver --dir plugins/acme

The project builds and passes its tests as it is, anywhere: the SDK comes with it. Beside the source
there are tests/cases.json with events and the answers that are expected, event.json and config.json
for `hookgate plugin run`, and a README.md that tells what to know.")]
pub(super) struct NewArgs {
    /// What subscriptions will call it: 1 to 64 characters of a-z 0-9 -, starting with a letter
    name: String,
    /// rust, js, ts, python, go or c
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,
    /// transform, filter, fold or receiver
    #[arg(long, value_name = "EXPORT", default_value = "transform")]
    export: Export,
    /// The folder to make; the plugin's name where it is left out
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: NewArgs, output: Output) -> anyhow::Result<ExitCode> {
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&args.name));
    let created = template::create(&args.name, args.lang, args.export, &dir)?;
    if output.json {
        let made = json!({
            "name": args.name, "language": args.lang.name(), "export": args.export.name(),
            "dir": created.dir, "source": created.source, "files": created.files,
        });
        line(&made.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let example = match args.export {
        Export::Transform | Export::Filter => " --event event.json --config config.json",
        Export::Fold | Export::Receiver => " --event event.json",
    };
    line(&format!(
        "made {}: a plugin in {} that exports {}; write it in {}\n\n  \
         cd {}\n  \
         hookgate plugin test    # builds it and runs tests/*.json\n  \
         hookgate plugin run{example}\n  \
         hookgate plugin push    # to the gateway, checked, compiled, active",
        created.dir.display(),
        args.lang,
        args.export,
        created.source.display(),
        created.dir.display(),
    ))?;
    Ok(ExitCode::SUCCESS)
}
