//! What a project of each language looks like: which template becomes which file.
//!
//! One table for all languages, so that a new one is a row here and a folder of templates.

use std::path::PathBuf;

use crate::{Export, Language};

/// One language's row.
pub(super) struct Layout {
    /// How people write the language's name.
    pub(super) title: &'static str,
    /// Its SDK, below `plugins/sdk`.
    pub(super) sdk_from: &'static str,
    /// Where the SDK goes in a project.
    pub(super) sdk_to: &'static str,
    /// Ending of the templates of its sources.
    ending: &'static str,
    /// Templates of its own, and the files they become; `{export}` stands for the export's name.
    own: &'static [(&'static str, &'static str)],
    /// The last words of the project's README.
    pub(super) notes: &'static str,
}

const JS_NOTES: &str = "`Date` and `Math.random` throw: an event brings its time along as `event.timeMs`. There is no `fetch` and no timer. \
                        What is thrown becomes a failure of the event.";

impl Layout {
    pub(super) fn of(language: Language) -> Self {
        match language {
            Language::Rust => Self {
                title: "Rust",
                sdk_from: "rust",
                sdk_to: "sdk",
                ending: "rs",
                own: &[("rust/Cargo.toml", "Cargo.toml")],
                notes: "`cargo test` runs the native tests in the source, without any wasm.",
            },
            Language::Js => Self {
                title: "JavaScript",
                sdk_from: "js",
                sdk_to: "sdk",
                ending: "js",
                own: &[("js/jsconfig.json", "jsconfig.json")],
                notes: JS_NOTES,
            },
            Language::Ts => Self {
                title: "TypeScript",
                sdk_from: "js",
                sdk_to: "sdk",
                ending: "ts",
                own: &[
                    ("ts/tsconfig.json", "tsconfig.json"),
                    ("ts/package.json", "package.json"),
                ],
                notes: "Types are stripped by the build; after `npm install` it checks them as well. `Date` and `Math.random` \
                        throw: an event brings its time along as `event.timeMs`. There is no `fetch` and no timer. What is thrown \
                        becomes a failure of the event.",
            },
            Language::C => Self {
                title: "C",
                sdk_from: "c",
                sdk_to: "sdk",
                ending: "c",
                own: &[("c/compile_flags.txt", "compile_flags.txt")],
                notes: "There is no libc. Memory comes from `hg_alloc` and is taken back after each call. Every `.c` file beside \
                        the source is compiled with it.",
            },
            Language::Python => Self {
                title: "Python",
                sdk_from: "python/hookgate",
                sdk_to: "hookgate",
                ending: "py",
                own: &[
                    ("python/pyproject.toml", "pyproject.toml"),
                    ("python/test_{export}.py", "test_plugin.py"),
                ],
                notes: "`python3 -m unittest` runs the native tests in `test_plugin.py`, without any wasm. `hookgate/` is the SDK.",
            },
            Language::Go => Self {
                title: "Go",
                sdk_from: "go",
                sdk_to: "sdk",
                ending: "go",
                own: &[
                    ("go/go.mod", "go.mod"),
                    ("go/{export}_test.go", "plugin_test.go"),
                ],
                notes: "`go test` runs the native tests in `plugin_test.go`, without any wasm.",
            },
        }
    }

    /// Each template with the file that it becomes.
    pub(super) fn files(&self, language: Language, export: Export) -> Vec<(String, PathBuf)> {
        let shared = [
            ("shared/plugin.toml".to_owned(), "plugin.toml"),
            ("shared/README.md".to_owned(), "README.md"),
            ("shared/gitignore".to_owned(), ".gitignore"),
            (format!("shared/{export}.tests.json"), "tests/cases.json"),
            (format!("shared/{export}.event.json"), "event.json"),
            (format!("shared/{export}.config.json"), "config.json"),
            (
                format!("{language}/{export}.{}", self.ending),
                language.source(),
            ),
        ];
        let own = self
            .own
            .iter()
            .map(|(from, to)| (from.replace("{export}", export.name()), *to));
        let files = shared.into_iter().chain(own);
        files.map(|(from, to)| (from, PathBuf::from(to))).collect()
    }
}
