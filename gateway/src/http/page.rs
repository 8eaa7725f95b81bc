//! Pages of lists: `limit` and `after` in, `data` and `next` out.

use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::problem::{Kind, Problem};
use crate::domain::clock::Timestamp;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 500;

/// One page of a list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Ask for the next page with `after` set to this; null on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// `rows` holds one more than `limit` where there is a next page.
    pub fn new<R, Cursor: Display>(
        mut rows: Vec<R>,
        limit: u16,
        cursor: impl Fn(&R) -> Cursor,
        view: impl Fn(R) -> T,
    ) -> Self {
        let is_more = rows.len() > usize::from(limit);
        rows.truncate(limit.into());
        let next = rows
            .last()
            .filter(|_| is_more)
            .map(|last| cursor(last).to_string());
        Self {
            data: rows.into_iter().map(view).collect(),
            next,
        }
    }
}

/// Where a page begins and how long it is.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// 1 to 500; 50 where it is left out.
    pub limit: Option<u16>,
    /// `next` of the page before.
    pub after: Option<String>,
}

impl Paging {
    #[must_use]
    pub fn limit(&self) -> u16 {
        limit(self.limit)
    }

    /// # Errors
    /// 400 where the cursor is none of ours.
    pub fn after<Cursor: FromStr>(&self) -> Result<Option<Cursor>, Problem> {
        parameter("after", self.after.as_deref())
    }
}

#[must_use]
pub fn limit(asked: Option<u16>) -> u16 {
    asked.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
}

/// A member of the query as a type of the domain.
///
/// # Errors
/// 400, naming the member.
pub fn parameter<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_| {
        Problem::new(
            Kind::InvalidRequest,
            format!("the query's {name} cannot be read"),
        )
    })
}

/// A member of the query as an instant.
///
/// # Errors
/// 400, naming the member.
pub fn instant(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let parsed = text.map(Timestamp::parse_rfc3339).transpose();
    parsed.map_err(|_| {
        let detail =
            format!("the query's {name} must be an RFC 3339 time such as 2026-11-23T20:00:00Z");
        Problem::new(Kind::InvalidRequest, detail)
    })
}
