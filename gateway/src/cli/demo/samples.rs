//! The events that the demo sends: a few of a tea shop, or every payload below a folder.
//!
//! A payload keeps its numbers, its order and its escapes. Only white space between tokens is left
//! out: files are indented for people, webhooks are not, and bytes are counted here.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;

const BUILT_IN: &str = include_str!("samples.json");

/// One event to send.
#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    #[serde(rename = "type")]
    pub(super) event_type: String,
    pub(super) data: Box<RawValue>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SampleError {
    #[error("{path} could not be read")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} does not hold JSON")]
    NotJson {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "no payload below {0}\n  cure: name a folder with *.payload.json files or an index.json of examples; `npm pack @octokit/webhooks-examples` brings one"
    )]
    None(PathBuf),
}

/// One kind of event in an index of examples; other lists of objects have no `examples`.
#[derive(Deserialize)]
struct Kind {
    name: String,
    examples: Vec<Box<RawValue>>,
}

/// What the type hangs on.
#[derive(Deserialize)]
struct Head {
    action: Option<String>,
}

/// The shop's events.
pub(super) fn built_in() -> Vec<Sample> {
    serde_json::from_str(BUILT_IN).expect("a test reads the built-in samples")
}

/// Every payload below `folder`, in the order of the file names: `push/payload.json` and
/// `push/1.payload.json` are of the type `push`, an index names its types itself.
pub(super) fn below(folder: &Path) -> Result<Vec<Sample>, SampleError> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    files.sort();
    let mut samples = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).map_err(|source| SampleError::Unreadable {
            path: path.clone(),
            source,
        })?;
        if let Ok(kinds) = serde_json::from_str::<Vec<Kind>>(&text) {
            for kind in kinds {
                let examples = kind.examples.iter();
                samples.extend(examples.map(|data| sample(&kind.name, data)));
            }
            continue;
        }
        let data: Box<RawValue> =
            serde_json::from_str(&text).map_err(|source| SampleError::NotJson {
                path: path.clone(),
                source,
            })?;
        samples.push(sample(&kind_of(path), &data));
    }
    if samples.is_empty() {
        return Err(SampleError::None(folder.to_owned()));
    }
    Ok(samples)
}

/// `*.json` in `folder` and its folders. A package's own description and folders that are
/// skipped by convention hold no payloads; neither do older editions beside a current one.
fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), SampleError> {
    let fault = |source| SampleError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let current = folder.join("api.github.com");
    if current.is_dir() {
        return find(&current, files);
    }
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type().map_err(fault)?.is_dir() {
            if !name.starts_with('.') && name != "node_modules" {
                find(&path, files)?;
            }
        } else if name.ends_with(".json") && name != "package.json" {
            files.push(path);
        }
    }
    Ok(())
}

/// The folder names the event where files are called payload; else the file does.
fn kind_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let parent = path.parent().and_then(Path::file_name);
    match parent {
        Some(parent) if file.ends_with("payload.json") => parent.to_string_lossy().into_owned(),
        _ => file.trim_end_matches(".json").to_owned(),
    }
}

fn sample(kind: &str, data: &RawValue) -> Sample {
    let action = serde_json::from_str::<Head>(data.get())
        .ok()
        .and_then(|head| head.action);
    let event_type = match action {
        Some(action) => format!("github.{kind}.{action}"),
        None => format!("github.{kind}"),
    };
    Sample {
        event_type,
        data: compact(data),
    }
}

/// The same tokens without white space between them.
fn compact(data: &RawValue) -> Box<RawValue> {
    let mut text = String::with_capacity(data.get().len());
    let (mut is_string, mut is_escaped) = (false, false);
    for c in data.get().chars() {
        if is_string {
            text.push(c);
            is_string = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
        } else if !c.is_ascii_whitespace() {
            text.push(c);
            is_string = c == '"';
        }
    }
    RawValue::from_string(text).expect("JSON without its white space is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_has_events() {
        assert_eq!(built_in().len(), 12);
    }

    #[test]
    fn tokens_stay_as_they_are() {
        let odd = r#"{ "a b" : "x\" \\", "n": 900719925474099317.50 ,"e":[ ] }"#;
        let data: Box<RawValue> = serde_json::from_str(odd).unwrap();
        let expected = r#"{"a b":"x\" \\","n":900719925474099317.50,"e":[]}"#;
        assert_eq!(compact(&data).get(), expected);
    }

    #[test]
    fn both_layouts_of_a_folder_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let below_it = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        below_it("package.json", "{}");
        below_it("issues/1.payload.json", r#"{"action": "opened"}"#);
        below_it("push/payload.json", "{}");
        below_it(
            "z/index.json",
            r#"[{"name": "fork", "examples": [{"action": "x"}, 1]}]"#,
        );
        let types: Vec<String> = below(folder.path())
            .unwrap()
            .into_iter()
            .map(|sample| sample.event_type)
            .collect();
        assert_eq!(
            types,
            [
                "github.issues.opened",
                "github.push",
                "github.fork.x",
                "github.fork"
            ]
        );
        let empty = folder.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        assert!(matches!(below(&empty), Err(SampleError::None(_))));
    }
}
