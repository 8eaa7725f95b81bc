//! Writes a component's function types as text, to be compared with the contract
//! and shown to authors.
//!
//! A type of a few hundred bytes can stand for billions of fields, so the text has
//! an end: a type that reaches it is like none of the contract's.

use wasmparser::component_types::{ComponentDefinedType, ComponentFuncTypeId, ComponentValType};
use wasmparser::types::TypesRef;

/// Longer than any signature of the contract.
const MAX_BYTES: usize = 4096;

/// The signature of a function, for example `func(text: string) -> bool`.
pub(crate) fn signature(types: TypesRef<'_>, id: ComponentFuncTypeId) -> String {
    let mut writer = Writer {
        types,
        text: String::new(),
    };
    let function = &types[id];
    writer.put(if function.async_ {
        "async func("
    } else {
        "func("
    });
    writer.fields(
        function
            .params
            .iter()
            .map(|(name, ty)| (name.as_str(), *ty)),
    );
    writer.put(")");
    if let Some(result) = function.result {
        writer.put(" -> ");
        writer.value(result);
    }
    writer.text
}

struct Writer<'a> {
    types: TypesRef<'a>,
    text: String,
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn is_full(&self) -> bool {
        self.text.len() > MAX_BYTES
    }

    fn value(&mut self, ty: ComponentValType) {
        match ty {
            ComponentValType::Primitive(primitive) => self.put(&primitive.to_string()),
            ComponentValType::Type(_) if self.is_full() => {}
            ComponentValType::Type(id) => {
                let types = self.types;
                self.defined(&types[id]);
            }
        }
    }

    fn defined(&mut self, ty: &ComponentDefinedType) {
        match ty {
            ComponentDefinedType::Primitive(primitive) => self.put(&primitive.to_string()),
            ComponentDefinedType::Record(record) => {
                self.put("record{");
                self.fields(record.fields.iter().map(|(name, ty)| (name.as_str(), *ty)));
                self.put("}");
            }
            ComponentDefinedType::Variant(variant) => {
                self.put("variant{");
                self.cases(
                    variant
                        .cases
                        .iter()
                        .map(|(name, case)| (name.as_str(), case.ty)),
                );
                self.put("}");
            }
            ComponentDefinedType::Enum(names) => {
                self.put("enum{");
                self.cases(names.iter().map(|name| (name.as_str(), None)));
                self.put("}");
            }
            ComponentDefinedType::List { element, .. } => self.wrapped("list", &[Some(*element)]),
            ComponentDefinedType::Option { ty, .. } => self.wrapped("option", &[Some(*ty)]),
            ComponentDefinedType::Result { ok, err, .. } => self.wrapped("result", &[*ok, *err]),
            ComponentDefinedType::Tuple(tuple) => {
                let types: Vec<_> = tuple.types.iter().copied().map(Some).collect();
                self.wrapped("tuple", &types);
            }
            // None of these occurs in the contract, so their names are enough.
            ComponentDefinedType::Map { .. } => self.put("map"),
            ComponentDefinedType::FixedLengthList { .. } => self.put("fixed-length-list"),
            ComponentDefinedType::Flags(_) => self.put("flags"),
            ComponentDefinedType::Own(_) => self.put("own"),
            ComponentDefinedType::Borrow(_) => self.put("borrow"),
            ComponentDefinedType::Future { .. } => self.put("future"),
            ComponentDefinedType::Stream { .. } => self.put("stream"),
        }
    }

    fn wrapped(&mut self, name: &str, types: &[Option<ComponentValType>]) {
        self.put(name);
        self.put("<");
        for (index, ty) in types.iter().enumerate() {
            if self.is_full() {
                break;
            }
            self.put(if index == 0 { "" } else { ", " });
            match ty {
                Some(ty) => self.value(*ty),
                None => self.put("_"),
            }
        }
        self.put(">");
    }

    fn fields<'n>(&mut self, fields: impl Iterator<Item = (&'n str, ComponentValType)>) {
        for (index, (name, ty)) in fields.enumerate() {
            if self.is_full() {
                break;
            }
            self.put(if index == 0 { "" } else { ", " });
            self.put(name);
            self.put(": ");
            self.value(ty);
        }
    }

    fn cases<'n>(&mut self, cases: impl Iterator<Item = (&'n str, Option<ComponentValType>)>) {
        for (index, (name, ty)) in cases.enumerate() {
            if self.is_full() {
                break;
            }
            self.put(if index == 0 { "" } else { ", " });
            self.put(name);
            if let Some(ty) = ty {
                self.put("(");
                self.value(ty);
                self.put(")");
            }
        }
    }
}
