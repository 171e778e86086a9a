//! The types of the web faces, made from ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ts_rs::{Config, TS, TypeVisitor};

use super::call::{self, CallTypes};
use super::{CallError, Told};

/// One TypeScript module with every call, answer and event. The committed copy is compared with it in the tests.
pub fn typescript() -> String {
    let mut collected = Collected { config: Config::new().with_large_int("number"), ..Collected::default() };
    collected.visit::<Told>();
    collected.visit::<CallError>();
    call::each(&mut collected);
    let mut text = "// Made from crates/cockpit/src/api; do not edit. `make types` writes it anew.\n".to_owned();
    for declaration in collected.declarations.values() {
        text.push('\n');
        text.push_str(declaration);
    }
    text.push_str("\n/** Every call: what it takes and what it answers. */\nexport interface Calls {\n");
    text.push_str(&collected.calls);
    text.push_str("}\n");
    text
}

#[derive(Default)]
struct Collected {
    config: Config,
    declarations: BTreeMap<String, String>,
    calls: String,
}

impl TypeVisitor for Collected {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // What has no file of its own in ts-rs is built in: strings, lists, options.
        if T::output_path().is_none() {
            T::visit_generics(self);
            return;
        }
        let name = T::ident(&self.config);
        if self.declarations.contains_key(&name) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        let docs = if docs.is_empty() || docs.ends_with('\n') { docs } else { format!("{docs}\n") };
        let declaration = format!("{docs}export {}\n", T::decl(&self.config));
        self.declarations.insert(name, declaration);
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

impl CallTypes for Collected {
    fn call<A: TS + 'static, R: TS + 'static>(&mut self, name: &str, about: &str) {
        self.visit::<A>();
        self.visit::<R>();
        let (takes, answers) = (A::name(&self.config), R::name(&self.config));
        // Writing to a string does not fail.
        if writeln!(self.calls, "  /**{about} */\n  {name}: {{ args: {takes}; answer: {answers} }};").is_err() {
            self.calls.clear();
        }
    }
}
