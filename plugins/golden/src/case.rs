//! One case: what a plugin is asked, and what is expected of it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hookgate_plugin_host::{Export, Question, TrialCall};

use crate::expect::Expected;
use crate::flaw::{Flaw, Source};
use crate::form::{CaseForm, Input};

/// One case of a golden file.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    /// As it was found: the folder that was read, and the file's name.
    pub file: PathBuf,
    /// Where the case begins, counted from 1.
    pub line: usize,
    pub setting: Setting,
    /// None where the file holds no expectation yet.
    pub expected: Option<Expected>,
    /// Lines as `level: text`; none where they are of no interest.
    pub logs: Option<Vec<String>>,
    pub(crate) places: Places,
}

/// What a plugin is asked, and in which surroundings.
#[derive(Clone, Debug)]
pub struct Setting {
    /// None where it follows from the rest.
    pub export: Option<Export>,
    /// The subscription's config, JSON.
    pub config: Arc<str>,
    /// What `data-url` answers.
    pub data_url: Arc<str>,
    pub input: Input,
}

/// Where things stand in the file, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) whole: Range<usize>,
    pub(crate) expect: Option<Range<usize>>,
    pub(crate) logs: Option<Range<usize>>,
}

impl Case {
    pub(crate) fn read<'a>(file: &Path, source: Source<'a>, text: &'a str) -> Result<Self, Flaw> {
        let place = |text: &str| {
            let start = source.offset(text);
            start..start + text.len()
        };
        let form: CaseForm<'a> = source.read(text, "")?;
        let whole = |reason| source.flaw(text, "", reason);
        let name = form.name.clone().filter(|name| !name.trim().is_empty());
        let name = name.ok_or_else(|| whole("the case has no \"name\"".to_owned()))?;
        let setting = Setting::of(&form).map_err(whole)?;
        let expected = form.expect.map(|raw| Expected::read(source, raw));
        let logs = form.logs.map(|raw| source.read(raw.get(), "logs"));
        Ok(Self {
            name,
            file: file.to_owned(),
            line: source.line_of(text),
            setting,
            expected: expected.transpose()?,
            logs: logs.transpose()?,
            places: Places {
                whole: place(text),
                expect: form.expect.map(|raw| place(raw.get())),
                logs: form.logs.map(|raw| place(raw.get())),
            },
        })
    }

    /// Which of a plugin's `exports` it is for.
    pub(crate) fn export(&self, exports: &[Export]) -> Result<Export, String> {
        let is_for_filters = self
            .expected
            .as_ref()
            .is_some_and(|expected| expected.exact().get("accepts").is_some());
        if self.setting.export.is_none() && is_for_filters {
            return known(Export::Filter, exports);
        }
        self.setting.export(exports)
    }
}

impl Setting {
    pub(crate) fn of(form: &CaseForm<'_>) -> Result<Self, String> {
        Ok(Self {
            export: form.export(),
            config: form.config()?,
            data_url: form.data_url(),
            input: form.input()?,
        })
    }

    /// Which of a plugin's `exports` it is for.
    ///
    /// # Errors
    /// Where the plugin has no such export, or it does not say which of two.
    pub fn export(&self, exports: &[Export]) -> Result<Export, String> {
        let export = match (self.export, &self.input) {
            (Some(export), _) => export,
            (None, Input::Fold { .. }) => Export::Fold,
            (None, Input::Request(_)) => Export::Receiver,
            (None, Input::Event(_)) => {
                let of_events = [Export::Transform, Export::Filter];
                let mut fitting = of_events.into_iter().filter(|one| exports.contains(one));
                match (fitting.next(), fitting.next()) {
                    (Some(only), None) => only,
                    (Some(_), Some(_)) => {
                        return Err("the plugin exports transform and filter: say which with \
                                    \"export\""
                            .to_owned());
                    }
                    _ => return known(Export::Transform, exports),
                }
            }
        };
        let fits = match self.input {
            Input::Event(_) => matches!(export, Export::Transform | Export::Filter),
            Input::Fold { .. } => export == Export::Fold,
            Input::Request(_) => export == Export::Receiver,
        };
        if fits {
            known(export, exports)
        } else {
            Err(format!(
                "a {} is asked in another way: {WAYS}",
                export.as_str()
            ))
        }
    }
}

impl Setting {
    /// The call as a delivery or a source makes it: an event meets the filter first, where there
    /// is one, and then the transform.
    ///
    /// # Errors
    /// Where the plugin exports nothing that answers.
    pub fn call_as_delivered(&self, exports: &[Export]) -> Result<TrialCall, String> {
        let is_of_events = |export| matches!(export, &Export::Transform | &Export::Filter);
        if let (None, Input::Event(event)) = (self.export, &self.input)
            && exports.iter().any(is_of_events)
        {
            let question = Question::Delivery(event.clone());
            return Ok(self.with(question));
        }
        self.export(exports).map(|export| self.call(export))
    }

    /// The call that asks `export`, which must fit.
    #[must_use]
    pub fn call(&self, export: Export) -> TrialCall {
        let question = match &self.input {
            Input::Event(event) if export == Export::Filter => Question::Filter(event.clone()),
            Input::Event(event) => Question::Transform(event.clone()),
            Input::Fold { earlier, later } => Question::Fold {
                earlier: earlier.clone(),
                later: later.clone(),
            },
            Input::Request(request) => Question::Receive(request.clone()),
        };
        self.with(question)
    }

    fn with(&self, question: Question) -> TrialCall {
        TrialCall {
            question,
            config: Arc::clone(&self.config),
            data_url: Arc::clone(&self.data_url),
            limits: None,
        }
    }
}

const WAYS: &str = "transform and filter need \"event\", fold needs \"earlier\" and \"later\", \
                    receiver needs \"request\"";

fn known(export: Export, exports: &[Export]) -> Result<Export, String> {
    if exports.contains(&export) {
        return Ok(export);
    }
    let names: Vec<&str> = exports.iter().map(|export| export.as_str()).collect();
    Err(format!(
        "the plugin exports {}, and the case is for {}: {WAYS}",
        names.join(" and "),
        export.as_str()
    ))
}
