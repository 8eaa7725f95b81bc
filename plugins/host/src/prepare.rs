//! From an upload to a plugin that may run: every step in order, each on the report.
//!
//! Reading is done where blocking is allowed, compiling in a process of its own, and
//! the first start where guests run. A step that fails ends it.

use crate::cache::{ArtefactName, Lookup};
use crate::check::{CheckReport, Fault, Refusal, Refused};
use crate::digest::Digest;
use crate::engine::{Metering, fingerprint};
use crate::host::{Inspected, PluginHost, Prepared};
use crate::instance::{LiveInstance, Surroundings};
use crate::load::{Identity, LoadedPlugin, TrustedArtefact, load};
use crate::mark::Mark;
use crate::precheck::{Interfaces, precheck};
use crate::report::CallFailure;
use crate::stats::increment;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

impl PluginHost {
    pub(crate) async fn prepare_for(
        &self,
        component: Bytes,
        metering: Metering,
    ) -> Result<Prepared, Refused> {
        let (identity, mut report) = self.read(component.clone()).await?;
        let size_bytes = identity.size_bytes;
        let started_at = Instant::now();
        let (artefact, is_cached) = self
            .artefact(&identity, component, metering, &mut report)
            .await?;
        let compile_time = if is_cached {
            Duration::ZERO
        } else {
            started_at.elapsed()
        };
        let plugin = self.load(identity, artefact, metering, &mut report).await?;
        self.try_start(&plugin, &mut report).await?;
        info!(plugin.digest = %plugin.digest(), plugin.compile_ms = compile_time.as_millis(), "plugin prepared");
        Ok(Prepared {
            plugin,
            report,
            compile_time,
            size_bytes,
        })
    }

    async fn read(&self, component: Bytes) -> Result<(Identity, CheckReport), Refused> {
        let host = self.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let mut report = CheckReport::default();
            let interfaces = precheck(&component, &host.inner.limits, &mut report)?;
            Ok((identity_of(&component, interfaces), report))
        });
        checked
            .await
            .unwrap_or_else(|_| Err(CheckReport::default().refuse("read", crashed_reader())))
    }

    /// The checks that need no compiler, and what they found: milliseconds. Who takes a
    /// component on these alone meets the others when it is prepared.
    ///
    /// # Errors
    /// The first check that failed, with the report of all before it.
    pub async fn inspect(&self, component: Bytes) -> Result<Inspected, Refused> {
        let (identity, _) = self.read(component).await?;
        let Identity {
            digest, interfaces, ..
        } = identity;
        let exports = interfaces.exports.into_iter();
        Ok(Inspected {
            digest,
            exports: exports.map(|(export, _)| export).collect(),
            imports: interfaces.imports,
        })
    }

    /// Machine code from the cache, else from a worker.
    async fn artefact(
        &self,
        identity: &Identity,
        component: Bytes,
        metering: Metering,
        report: &mut CheckReport,
    ) -> Result<(TrustedArtefact, bool), Refused> {
        let counters = &self.inner.counters;
        let engine = self.inner.engine(metering);
        let name = ArtefactName {
            digest: identity.digest,
            fingerprint: fingerprint(engine),
        };
        match self
            .blocking(move |inner| {
                inner
                    .cache
                    .load(name, metering.max_artefact_bytes(&inner.limits))
            })
            .await
        {
            Some(Lookup::Hit(artefact)) => {
                increment(&counters.cache_hits);
                let artefact =
                    report.note("compile", Ok((artefact, "was compiled before".to_owned())))?;
                return Ok((artefact, true));
            }
            Some(Lookup::Spoiled) => increment(&counters.cache_spoiled),
            Some(Lookup::Miss) | None => {}
        }
        increment(&counters.compiles);
        let started_at = Instant::now();
        let compiled = self
            .inner
            .compiler
            .compile(component, metering)
            .await
            .map(|artefact| {
                let detail = format!(
                    "{} bytes of machine code in {} ms",
                    artefact.0.len(),
                    started_at.elapsed().as_millis()
                );
                (artefact, detail)
            });
        if compiled.is_err() {
            increment(&counters.failed_compiles);
        }
        let artefact = report.note("compile", compiled)?;
        let kept = self.blocking(move |inner| {
            if let Err(error) = inner.cache.store(name, &artefact) {
                warn!(plugin.digest = %name.digest, %error, "plugin code could not be cached");
            }
            artefact
        });
        match kept.await {
            Some(artefact) => Ok((artefact, false)),
            None => Err(report.refuse("load", no_room())),
        }
    }

    async fn load(
        &self,
        identity: Identity,
        artefact: TrustedArtefact,
        metering: Metering,
        report: &mut CheckReport,
    ) -> Result<Arc<LoadedPlugin>, Refused> {
        let loaded = self.blocking(move |inner| {
            load(
                inner.engine(metering),
                metering,
                identity,
                &artefact,
                &inner.limits,
            )
        });
        let loaded = loaded.await.unwrap_or_else(|| Err(no_room()));
        report.note(
            "load",
            loaded.map(|plugin| (Arc::new(plugin), "linked to the host".to_owned())),
        )
    }

    /// A component may run code when it starts, so this is done where guests run.
    async fn try_start(
        &self,
        plugin: &Arc<LoadedPlugin>,
        report: &mut CheckReport,
    ) -> Result<(), Refused> {
        let (guest, limits) = (Arc::clone(plugin), Arc::clone(&self.inner.limits));
        let start = move |_: &dyn Fn() -> bool| {
            let surroundings = Surroundings::without_urls(&Arc::from("{}"), &limits);
            let started_at = Instant::now();
            let started = LiveInstance::start(&guest, &surroundings, Mark::now())
                .map(|instance| instance.memory_bytes());
            let ended_by_force = matches!(started, Err(CallFailure::TimedOut { .. }));
            (
                started.map(|memory_bytes| (memory_bytes, started_at.elapsed())),
                ended_by_force,
            )
        };
        let uploads: Arc<str> = Arc::from("");
        let outcome = match self.inner.threads.run(&uploads, start).await {
            Ok((Ok((memory_bytes, time)), _)) => Ok((
                (),
                format!("{memory_bytes} bytes of memory, in {} µs", time.as_micros()),
            )),
            Ok((Err(CallFailure::Overloaded), _)) | Err(_) => Err(no_room()),
            Ok((Err(failure), _)) => Err(Fault::new(
                Refusal::Instantiation,
                format!("the component does not start: {failure}"),
                "do less at start, and use no clock, no randomness and no files there",
            )),
        };
        report.note("start", outcome)
    }
}

fn identity_of(component: &[u8], interfaces: Interfaces) -> Identity {
    Identity {
        digest: Digest::of(component),
        size_bytes: component.len(),
        interfaces,
    }
}

pub(crate) fn no_room() -> Fault {
    Fault::new(
        Refusal::Unavailable,
        "there was no room to try the component",
        "upload it again in a minute",
    )
}

fn crashed_reader() -> Fault {
    Fault::new(
        Refusal::Malformed,
        "the component could not be read",
        "build it again; if this stays, tell Hookgate's developers",
    )
}
