//! Looks for a function's name in a core module.
//!
//! Reads only the custom section `name`, and nothing of the code: what the linker kept there is
//! what the program calls somewhere.

use wasmparser::{KnownCustom, Name, Parser, Payload};

/// Whether the module has a function of exactly this name. A module that can't be read has none.
pub(super) fn has_function(module: &[u8], name: &str) -> bool {
    Parser::new(0)
        .parse_all(module)
        .map_while(Result::ok)
        .filter_map(|payload| match payload {
            Payload::CustomSection(section) => Some(section),
            _ => None,
        })
        .any(|section| match section.as_known() {
            KnownCustom::Name(names) => names.map_while(Result::ok).any(|names| match names {
                Name::Function(functions) => functions
                    .into_iter()
                    .map_while(Result::ok)
                    .any(|function| function.name == name),
                _ => false,
            }),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::has_function;

    #[test]
    fn a_function_is_found_by_its_whole_name() {
        let module = wat::parse_str("(module (func $a.b) (func $a.bc))").unwrap();
        assert!(has_function(&module, "a.b"));
        assert!(!has_function(&module, "a"));
        assert!(!has_function(b"no module", "a.b"));
    }
}
