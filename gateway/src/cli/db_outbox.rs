//! `hookgate db install-outbox`: events from transactions of a database of the user's own.
//!
//! Says what it did and what is left to do; the SQL is `store`'s.

use std::process::ExitCode;

use crate::store::outbox_install::{InstallError, install, uninstall};

#[derive(Debug, clap::Args)]
pub(super) struct InstallOutboxArgs {
    /// The database, as its owner: postgres://user:password@host/database
    url: String,
    /// Take it away instead, with all watches.
    #[arg(long)]
    uninstall: bool,
    /// Take it away also where events wait in it; they are lost.
    #[arg(long, requires = "uninstall")]
    force: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: InstallOutboxArgs) -> Result<ExitCode, InstallError> {
    if args.uninstall {
        let was_there = uninstall(&args.url, args.force).await?;
        if args.json {
            println!("{}", serde_json::json!({"uninstalled": was_there}));
        } else if was_there {
            println!("the outbox is gone; take the database out of HOOKGATE_OUTBOX_URLS");
        } else {
            println!("there was no outbox");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let installed = install(&args.url).await?;
    if args.json {
        let steps = serde_json::json!({"before": installed.before, "now": installed.now});
        println!("{}", serde_json::json!({"installed": true, "steps": steps}));
        return Ok(ExitCode::SUCCESS);
    }
    match installed.before {
        0 => println!("hookgate.emit and hookgate.watch are installed."),
        before if before == installed.now => println!("The outbox is there and up to date."),
        before => println!(
            "The outbox was brought from step {before} to {}.",
            installed.now
        ),
    }
    println!(
        "\nName the database in HOOKGATE_OUTBOX_URLS of every gateway, and let your application emit:\n  \
         grant usage on schema hookgate to app;\n  grant execute on function hookgate.emit to app;\n  \
         select hookgate.emit('invoice.paid', '{{\"id\": 17}}');"
    );
    Ok(ExitCode::SUCCESS)
}
