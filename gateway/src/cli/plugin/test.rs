//! `hookgate plugin test`: golden files against the real component, under a gateway's limits.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use hookgate_plugin_golden::{Case, CaseReport, Fault, GoldenFiles};
use hookgate_plugin_host::{Limits, Trial};
use serde::Serialize;

use super::figures::{bytes, count, plural, time, us, us_of};
use super::local::Local;
use super::place::Plugin;
use super::progress::patiently;
use crate::app::Machine;
use crate::cli::output::{Output, Paint, line, printable};

const FOLDER: &str = "tests";
/// Longest name that moves the figures of all lines to the right.
const MAX_NAME_CHARS: usize = 56;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hookgate plugin test                       # builds the project here, runs tests/*.json
  hookgate plugin test . 'too large'         # the cases whose name holds this
  hookgate plugin test only-small.wasm --tests tests
  hookgate plugin test --update              # writes what came out into the files

A golden file holds a case or a list of cases:
  {\"name\": \"keeps the id\", \"config\": {\"keep\": [\"/id\"]},
   \"event\": {\"type\": \"invoice.paid\", \"data\": {\"id\": 1, \"x\": 2}},
   \"expect\": {\"replace\": {\"id\": 1}}}
Each case runs in an instance of its own, then with all others of its config in one instance, as
deliveries do; answers that differ are state kept between events, and a failure.")]
pub(super) struct TestArgs {
    /// A project's folder, which is built first, or a component's file
    #[arg(value_name = "PLUGIN", default_value = ".")]
    place: PathBuf,
    /// Only the cases whose name holds this
    filter: Option<String>,
    /// Where the golden files are; `tests` in the project, or beside the file
    #[arg(long, value_name = "DIR")]
    tests: Option<PathBuf>,
    /// Write what came out into the files, in place of what was expected
    #[arg(long)]
    update: bool,
}

pub(super) async fn run(
    args: TestArgs,
    machine: &Machine,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let plugin = Plugin::at(&args.place).await?;
    let folder = args
        .tests
        .unwrap_or_else(|| shown(&plugin.folder).join(FOLDER));
    let files = read(&folder)?;
    let cases = chosen(&files, args.filter.as_deref(), &folder)?;
    let local = Local::start(machine)?;
    let trial = local.trial(plugin.component.clone()).await?;
    let what = format!("running {}", plural(cases.len(), "case"));
    let reports = patiently(&what, hookgate_plugin_golden::run(&trial, &cases)).await;
    let written = if args.update {
        let written = files.update(&reports);
        written.with_context(|| format!("could not write to {}", folder.display()))?
    } else {
        Vec::new()
    };
    let outcome = Outcome {
        plugin: &plugin.name,
        trial: &trial,
        limits: local.limits(),
        reports: &reports,
        written: &written,
    };
    if output.json {
        outcome.print_json()?;
    } else {
        outcome.print(args.update)?;
    }
    Ok(if outcome.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `tests` rather than `./tests`.
fn shown(folder: &Path) -> &Path {
    folder.strip_prefix(".").unwrap_or(folder)
}

pub(super) fn read(folder: &Path) -> anyhow::Result<GoldenFiles> {
    let files = GoldenFiles::read(folder)
        .map_err(|flaws| anyhow::anyhow!("golden files that cannot be read:\n{flaws}"))?;
    if files.cases().next().is_none() {
        bail!(
            "no golden files: {} holds no *.json\n  cure: write one, or name their folder with \
             --tests; `hookgate plugin test --help` shows a case",
            folder.display()
        );
    }
    Ok(files)
}

fn chosen<'a>(
    files: &'a GoldenFiles,
    filter: Option<&str>,
    folder: &Path,
) -> anyhow::Result<Vec<&'a Case>> {
    let Some(filter) = filter else {
        return Ok(files.cases().collect());
    };
    let found: Vec<&Case> = files
        .cases()
        .filter(|case| case.name.contains(filter))
        .collect();
    if found.is_empty() {
        let names: Vec<&str> = files.cases().map(|case| case.name.as_str()).collect();
        bail!(
            "no case in {} has {filter:?} in its name\n  there are: {}",
            folder.display(),
            names.join("; ")
        );
    }
    Ok(found)
}

/// What came of all cases.
pub(super) struct Outcome<'a> {
    pub(super) plugin: &'a str,
    pub(super) trial: &'a Trial,
    pub(super) limits: &'a Limits,
    pub(super) reports: &'a [CaseReport],
    /// Cases whose answer was written into their file.
    pub(super) written: &'a [String],
}

impl Outcome<'_> {
    /// All passed, or what failed was written down as the new expectation and nothing else is wrong.
    pub(super) fn is_good(&self) -> bool {
        let is_written = |report: &CaseReport| {
            self.written.contains(&report.name) && report.faults.iter().all(Fault::can_be_written)
        };
        self.reports
            .iter()
            .all(|report| report.has_passed() || is_written(report))
    }

    fn failed(&self) -> usize {
        let failed = self.reports.iter().filter(|report| !report.has_passed());
        failed.count()
    }

    pub(super) fn print(&self, has_updated: bool) -> std::io::Result<()> {
        let paint = Paint::for_stdout();
        let exports = self.trial.plugin().exports().iter();
        let exports: Vec<&str> = exports.map(|export| export.as_str()).collect();
        line(&format!(
            "{}  {} of {}, exports {}",
            paint.strong(self.plugin),
            bytes(self.trial.plugin().size_bytes()),
            bytes(self.limits.max_component_bytes),
            exports.join(" and ")
        ))?;
        let names = self.reports.iter().map(|one| one.name.chars().count());
        let width = names.max().unwrap_or(0).min(MAX_NAME_CHARS);
        let mut file = None;
        for report in self.reports {
            if file != Some(&report.file) {
                let name = shown(&report.file).display().to_string();
                let head = format!(
                    "{name:indent$}  {:>9}  {:>12}  {:>9}",
                    "time",
                    "instructions",
                    "memory",
                    indent = width + 8
                );
                line(&paint.faint(&head))?;
                file = Some(&report.file);
            }
            print_case(report, width, paint)?;
        }
        self.print_sum(paint)?;
        if has_updated {
            line(&match self.written {
                [] => "nothing to update: no answer is another one".to_owned(),
                names => format!("written down as expected now: {}", names.join("; ")),
            })?;
        } else if self.failed() > 0 {
            line("where the new answers are right: `hookgate plugin test --update` writes them")?;
        }
        Ok(())
    }

    fn print_sum(&self, paint: Paint) -> std::io::Result<()> {
        let most = |figure: fn(&CaseReport) -> u64| self.reports.iter().map(figure).max();
        let duration = most(|one| one.cost.duration_us).unwrap_or(0);
        let fuel = most(|one| one.cost.fuel).unwrap_or(0);
        let memory = most(|one| one.cost.memory_bytes as u64).unwrap_or(0);
        let failed = self.failed();
        let sum = if failed == 0 {
            paint.good(&format!("{} passed", plural(self.reports.len(), "case")))
        } else {
            paint.bad(&format!(
                "{failed} of {} failed",
                plural(self.reports.len(), "case")
            ))
        };
        line(&format!(
            "\n{sum}, each alone and all of one config in one instance\nat most  {} of {}, {} \
             instructions, {} of {}",
            us(duration),
            time(self.limits.time_per_event),
            count(fuel),
            bytes(usize::try_from(memory).unwrap_or(usize::MAX)),
            bytes(self.limits.max_memory_bytes)
        ))
    }

    fn print_json(&self) -> anyhow::Result<()> {
        let exports = self.trial.plugin().exports().iter();
        let shown = Shown {
            plugin: self.plugin,
            digest: self.trial.plugin().digest().to_string(),
            size_bytes: self.trial.plugin().size_bytes(),
            exports: exports.map(|export| export.as_str()).collect(),
            limits: Bounds {
                duration_us: us_of(self.limits.time_per_event),
                memory_bytes: self.limits.max_memory_bytes,
                output_bytes: self.limits.max_output_bytes,
                size_bytes: self.limits.max_component_bytes,
            },
            passed: self.reports.len() - self.failed(),
            failed: self.failed(),
            written: self.written,
            cases: self.reports,
        };
        line(&serde_json::to_string(&shown)?)?;
        Ok(())
    }
}

/// The outcome for machines. Never by way of `Value`, which would change numbers.
#[derive(Serialize)]
struct Shown<'a> {
    plugin: &'a str,
    digest: String,
    size_bytes: usize,
    exports: Vec<&'static str>,
    limits: Bounds,
    passed: usize,
    failed: usize,
    written: &'a [String],
    cases: &'a [CaseReport],
}

#[derive(Serialize)]
struct Bounds {
    duration_us: u64,
    memory_bytes: usize,
    output_bytes: usize,
    size_bytes: usize,
}

fn print_case(report: &CaseReport, width: usize, paint: Paint) -> std::io::Result<()> {
    let mark = if report.has_passed() {
        paint.good("ok  ")
    } else {
        paint.bad("FAIL")
    };
    let figures = match report.export {
        Some(_) => format!(
            "{:>9}  {:>12}  {:>9}",
            us(report.cost.duration_us),
            count(report.cost.fuel),
            bytes(report.cost.memory_bytes)
        ),
        None => String::new(),
    };
    let text = format!("  {mark}  {:width$}  {figures}", printable(&report.name));
    line(text.trim_end())?;
    for fault in &report.faults {
        for text in printable(&fault.to_string()).lines() {
            line(&format!("        {text}"))?;
        }
    }
    let failure = report.failure.as_ref().filter(|_| !report.has_passed());
    if let Some(failure) = failure {
        line(&format!("        {}", printable(failure)))?;
    }
    Ok(())
}
