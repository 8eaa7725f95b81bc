//! Runs interned: many attempts share the same plugins and configuration, so they share a row.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::PgConnection;

use super::error::LogError;
use super::session::in_time;
use super::work::{Completion, Run};

const MAX_CACHED: usize = 1024;

/// The ids of the runs that were met last.
#[derive(Debug, Default)]
pub(super) struct Runs(HashMap<Arc<Run>, i32>);

impl Runs {
    /// Makes sure that every run of `completions` has its row. Costs a statement only for new ones.
    pub(super) async fn intern(
        &mut self,
        connection: &mut PgConnection,
        completions: &[Completion],
    ) -> Result<(), LogError> {
        if self.0.len() > MAX_CACHED {
            self.0.clear();
        }
        for completion in completions {
            if let Some((_, Some(run))) = &completion.record
                && !self.0.contains_key(run)
            {
                let id = row_of(connection, run).await?;
                self.0.insert(Arc::clone(run), id);
            }
        }
        Ok(())
    }

    pub(super) fn id(&self, run: &Option<Arc<Run>>) -> Option<i32> {
        run.as_ref().and_then(|run| self.0.get(run).copied())
    }
}

async fn row_of(connection: &mut PgConnection, run: &Run) -> Result<i32, LogError> {
    let plugins = run.plugins.iter();
    let plugins: Vec<(String, String)> = plugins
        .map(|(name, digest)| (name.to_string(), digest.to_string()))
        .collect();
    let plugins = serde_json::to_string(&plugins).expect("pairs of texts");
    // Touching the row makes it visible to `returning`, whoever wrote it first.
    let query = sqlx::query_scalar!(
        "insert into run (config_v, plugins) values ($1, $2::text::jsonb)
         on conflict (config_v, plugins) do update set config_v = excluded.config_v returning id",
        run.config.get(),
        plugins
    );
    in_time(query.fetch_one(connection)).await
}
