//! Paths with parameters that may be left out.

use url::form_urlencoded::Serializer;

/// Which page of a list.
#[derive(Debug, clap::Args)]
pub(super) struct Paging {
    #[arg(long)]
    limit: Option<u16>,
    /// Go on where the last list ended.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

pub(super) struct Query {
    path: String,
    parameters: Serializer<'static, String>,
}

impl Query {
    pub(super) fn of(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            parameters: Serializer::new(String::new()),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.parameters.append_pair(name, value);
        }
        self
    }

    pub(super) fn page(self, paging: &Paging) -> Self {
        let limit = paging.limit.map(|limit| limit.to_string());
        self.with("limit", limit.as_deref())
            .with("after", paging.after.as_deref())
    }

    pub(super) fn finish(mut self) -> String {
        let parameters = self.parameters.finish();
        if parameters.is_empty() {
            self.path
        } else {
            format!("{}?{parameters}", self.path)
        }
    }
}
