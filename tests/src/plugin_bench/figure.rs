//! Figures and their bounds, for people and for machines.

use std::fmt;

use serde::Serialize;

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub what: String,
    pub value: f64,
    pub unit: &'static str,
    /// None for what explains another figure.
    pub at_most: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures(pub Vec<Figure>);

impl Figures {
    pub(super) fn bound(&mut self, what: &str, value: f64, unit: &'static str, at_most: f64) {
        self.push(what, value, unit, Some(at_most));
    }

    pub(super) fn note(&mut self, what: &str, value: f64, unit: &'static str) {
        self.push(what, value, unit, None);
    }

    fn push(&mut self, what: &str, value: f64, unit: &'static str, at_most: Option<f64>) {
        let what = what.to_owned();
        let figure = Figure {
            what,
            value,
            unit,
            at_most,
        };
        eprintln!("bench:   {figure}");
        self.0.push(figure);
    }

    /// Those beyond their bound, and those that could not be measured.
    #[must_use]
    pub fn missed(&self) -> Vec<&Figure> {
        self.0.iter().filter(|figure| figure.has_missed()).collect()
    }
}

impl Figure {
    fn has_missed(&self) -> bool {
        // What is no number has missed as well.
        self.at_most
            .is_some_and(|most| self.value.is_nan() || self.value > most)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<62} {:>10.2} {:<6}", self.what, self.value, self.unit)?;
        match self.at_most {
            Some(most) if self.has_missed() => write!(f, " MISSED {most}"),
            Some(most) => write!(f, " of {most}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in &self.0 {
            writeln!(f, "{figure}")?;
        }
        match self.missed().len() {
            0 => write!(f, "all within their bounds"),
            missed => write!(f, "{missed} beyond their bound"),
        }
    }
}
