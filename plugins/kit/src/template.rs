//! Makes a new plugin's project: a source that works, its tests, and the SDK beside it.
//!
//! The project needs nothing of this repository and, apart from its language's own packages, no
//! network. Files that are there already are never written over.

mod files {
    include!(concat!(env!("OUT_DIR"), "/template_files.rs"));
}
mod layout;

use std::io;
use std::path::{Path, PathBuf};

use crate::{Export, Language, check_name};
use layout::Layout;

/// A project that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its folder.
    pub dir: PathBuf,
    /// What was written, relative to it, without the SDK's own files.
    pub files: Vec<PathBuf>,
    /// The author's source, relative to it.
    pub source: PathBuf,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// No name for a plugin.
    #[error("{0}")]
    Name(String),
    /// Something is there already.
    #[error(
        "{} is there already, and not empty: name another folder with --dir, or remove it",
        dir.display()
    )]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// A file or folder would not do.
    #[error("could not write {}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes the folder `dir` a project of the plugin `name`. It builds and passes its golden tests
/// as it is.
///
/// # Errors
/// Where the name will not do, the folder holds something, or can't be written to. What was
/// written until then stays.
pub fn create(
    name: &str,
    language: Language,
    export: Export,
    dir: &Path,
) -> Result<Created, TemplateError> {
    check_name(name).map_err(TemplateError::Name)?;
    let holds_something = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something || dir.is_file() {
        return Err(TemplateError::NotEmpty {
            dir: dir.to_owned(),
        });
    }
    let layout = Layout::of(language);
    let words = [
        ("{{name}}", name),
        ("{{language}}", language.name()),
        ("{{export}}", export.name()),
        ("{{title}}", layout.title),
        ("{{source}}", language.source()),
        ("{{use}}", in_use(export)),
        ("{{sdk}}", layout.sdk_to),
        ("{{notes}}", layout.notes),
    ];
    let fill = |text: &str| {
        // Twice: what is filled in may name the plugin.
        let once = |text: String| {
            let fill = |text: String, (mark, word): &(&str, &str)| text.replace(mark, word);
            words.iter().fold(text, fill)
        };
        once(once(text.to_owned()))
    };

    let mut files = Vec::new();
    for (from, to) in layout.files(language, export) {
        let text = std::str::from_utf8(template(&from)).expect("templates are text");
        write(&dir.join(&to), fill(text).as_bytes())?;
        files.push(to);
    }
    for (path, bytes) in sdk(&layout) {
        write(&dir.join(path), bytes)?;
    }
    Ok(Created {
        dir: dir.to_owned(),
        files,
        source: language.source().into(),
    })
}

fn template(path: &str) -> &'static [u8] {
    let found = files::TEMPLATES.iter().find(|(name, _)| *name == path);
    found
        .unwrap_or_else(|| panic!("templates/{path} is not carried"))
        .1
}

/// A language's SDK, each file with its place in a project.
pub(crate) fn sdk_of(language: Language) -> impl Iterator<Item = (PathBuf, &'static [u8])> {
    sdk(&Layout::of(language))
}

/// Where the SDK's files go, relative to the project.
fn sdk(layout: &Layout) -> impl Iterator<Item = (PathBuf, &'static [u8])> + use<> {
    let (from, to) = (Path::new(layout.sdk_from), Path::new(layout.sdk_to));
    files::SDKS.iter().filter_map(move |(path, bytes)| {
        let inside = Path::new(path).strip_prefix(from).ok()?;
        Some((to.join(inside), *bytes))
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), TemplateError> {
    let refuse = |source| TemplateError::Io {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().expect("a file stands in a folder");
    std::fs::create_dir_all(folder).map_err(refuse)?;
    std::fs::write(path, bytes).map_err(refuse)
}

fn in_use(export: Export) -> &'static str {
    match export {
        Export::Transform | Export::Filter => {
            "A subscription names it with its config:\n\n\
             ```json\n{\"event_types\": [\"invoice.*\"], \"target_url\": \"https://example.com/hooks\",\n \
             \"plugins\": [{\"name\": \"{{name}}\", \"config\": {}}]}\n```"
        }
        Export::Fold => {
            "A fold merges the events that wait in a debounce window of one key: a subscription names it\n\
             as `\"debounce\": {\"quiet\": \"15s\", \"keep\": {\"fold\": \"{{name}}\"}}`."
        }
        Export::Receiver => {
            "A receiver takes the webhooks of a provider at the address of a source, verifies them with\n\
             the source's secret, and answers with the events to store."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Project;

    #[test]
    fn every_language_and_export_makes_a_project_that_the_kit_reads() {
        let folder = tempfile::tempdir().unwrap();
        for language in Language::ALL {
            for export in Export::ALL {
                let dir = folder.path().join(format!("{language}-{export}"));
                let created = create("my-plugin", language, export, &dir).unwrap();
                let project = Project::read(&dir).unwrap();
                assert_eq!(project.language, language);
                assert_eq!(project.exports, [export]);
                assert_eq!(
                    project.source,
                    dir.canonicalize().unwrap().join(&created.source)
                );
                for file in created.files {
                    let text = std::fs::read_to_string(dir.join(&file)).unwrap();
                    assert!(
                        !text.contains("{{"),
                        "{language} {export}: {}",
                        file.display()
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
        let refused = create("a", Language::C, Export::Filter, folder.path());
        assert!(matches!(refused, Err(TemplateError::NotEmpty { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let refused = create("Not a name", Language::C, Export::Filter, folder.path());
        assert!(matches!(refused, Err(TemplateError::Name(_))));
    }
}
