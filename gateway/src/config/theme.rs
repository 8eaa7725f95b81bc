//! The looks that an operator may give the dashboard: variables of its style, and a logo.
//!
//! Values go into a style sheet, so they are taken only from a short alphabet that cannot leave
//! their declaration; a logo is read once and served as it is, without rights.

use std::path::Path;

/// Variables that a theme may set; `-dark` sets the same for the dark scheme.
const NAMES: [&str; 9] = [
    "accent",
    "accent-dark",
    "on-accent",
    "on-accent-dark",
    "ground",
    "ground-dark",
    "surface",
    "surface-dark",
    "radius",
];
const MAX_VALUE: usize = 60;
const MAX_LOGO_BYTES: u64 = 256 * 1024;

/// Checked names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theme(Vec<(String, String)>);

impl Theme {
    /// # Errors
    /// Names the first part that breaks a rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim);
        let pairs = parts.filter(|part| !part.is_empty()).map(|part| {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} must be like accent=#0a7d5a"))?;
            let (name, value) = (name.trim(), value.trim());
            if !NAMES.contains(&name) {
                return Err(format!("{name:?} must be one of {}", NAMES.join(", ")));
            }
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "#.% -".contains(c);
            if value.is_empty() || value.len() > MAX_VALUE || !value.chars().all(is_plain) {
                return Err(format!(
                    "the value of {name} must be a colour such as #0a7d5a, or a length such as 4px"
                ));
            }
            Ok((name.to_owned(), value.to_owned()))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The declarations of one scheme: those of the dark one, or the others.
    #[must_use]
    pub fn declarations(&self, dark: bool) -> String {
        let mut css = String::new();
        for (name, value) in &self.0 {
            match name.strip_suffix("-dark") {
                Some(name) if dark => css.push_str(&format!("--{name}:{value};")),
                None if !dark => css.push_str(&format!("--{name}:{value};")),
                _ => {}
            }
        }
        css
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A picture, as it is in its file.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    pub media_type: &'static str,
    pub bytes: bytes::Bytes,
}

impl Logo {
    /// # Errors
    /// Says what the file is not.
    pub fn read(path: &str) -> Result<Self, String> {
        let extension = Path::new(path).extension().and_then(|it| it.to_str());
        let media_type = match extension {
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("webp") => "image/webp",
            _ => return Err("must end in .svg, .png or .webp".to_owned()),
        };
        let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
        if about.len() > MAX_LOGO_BYTES {
            return Err(format!("must have at most {MAX_LOGO_BYTES} bytes"));
        }
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        Ok(Self {
            media_type,
            bytes: bytes.into(),
        })
    }
}

impl std::fmt::Debug for Logo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logo({}, {} bytes)", self.media_type, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_sets_variables_of_each_scheme() {
        let theme = Theme::parse("accent=#0a7d5a, accent-dark = #4cc79c,radius=4px").unwrap();
        assert_eq!(theme.declarations(false), "--accent:#0a7d5a;--radius:4px;");
        assert_eq!(theme.declarations(true), "--accent:#4cc79c;");
    }

    #[test]
    fn a_theme_cannot_leave_its_declaration() {
        for bad in [
            "accent",
            "font=x",
            "accent=",
            "accent=red;}body{display:none",
            "accent=url(http://example.com)",
            "accent=\\3b",
            "accent=</style>",
        ] {
            assert!(Theme::parse(bad).is_err(), "{bad}");
        }
    }
}
