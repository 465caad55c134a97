//! No two files of a crate need each other, not even by way of others, and a module with children is a folder.
//!
//! ```text
//!   a.rs ── takes `f` from ──▶ b.rs ── takes `G` from ──▶ a.rs      a circle: neither can be read before the other
//!
//!   a/mod.rs ── mod b ──▶ a/b.rs ── takes the type `A` from ──▶ a/mod.rs      allowed: a child knows its parent's types
//! ```
//!
//! What is taken is read from the syntax alone: paths in `use` declarations, in code and in macros, followed through
//! whatever they are imported and exported by to the file that defines the item. Methods are not followed, and what only
//! tests take does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

use crate::files::{files, read};

/// A module's path within its crate; empty for the crate's root.
type ModulePath = Vec<String>;

/// One crate: what its modules define and import, and what its files take.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<ModulePath, Module>,
    /// Paths as they stand in the code, with the module that they stand in.
    mentions: Vec<(ModulePath, Vec<String>)>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    /// What is defined in the module, and whether it is a type.
    items: BTreeMap<String, bool>,
    /// Local names, and the paths that they stand for.
    imports: BTreeMap<String, Vec<String>>,
    /// Modules of which everything is imported.
    globs: Vec<Vec<String>>,
}

/// A file takes an item from another file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Take {
    from: PathBuf,
    taker: PathBuf,
    item: String,
}

impl fmt::Display for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taker, item, from } = self;
        write!(f, "{} takes `{item}` from {}", taker.display(), from.display())
    }
}

/// Complaints about the crate whose sources stand in this folder.
pub fn complaints(folder: &Path) -> Vec<String> {
    circles(&takes(folder)).iter().map(|circle| told(circle)).collect()
}

/// Folders beside which a file has the same name: the module has two homes then.
pub fn split_modules(folder: &Path) -> Vec<String> {
    let sources = files(folder, "rs");
    let split = sources.iter().filter(|file| file.with_extension("").is_dir());
    split
        .map(|file| {
            let home = file.with_extension("").join("mod.rs");
            format!(
                "{}: a module with children stands in {}",
                file.display(),
                home.display()
            )
        })
        .collect()
}

fn told(circle: &[Take]) -> String {
    let takes: Vec<String> = circle.iter().map(Take::to_string).collect();
    format!("a circle:\n    {}", takes.join("\n    "))
}

/// What the files of a crate take from each other.
fn takes(folder: &Path) -> BTreeSet<Take> {
    let mut krate = Crate::default();
    let root = ["lib.rs", "main.rs"].map(|name| folder.join(name));
    let root = root.iter().find(|file| file.exists()).expect("a crate has a root");
    krate.add_file(root, Vec::new());
    let mut takes = BTreeSet::new();
    for (module, path) in &krate.mentions {
        let taker = &krate.modules[module].file;
        let Some((home, item, is_type)) = krate.resolve(module, path, 0) else {
            continue;
        };
        let from = &krate.modules[&home].file;
        let is_ancestor = module.starts_with(&home);
        if from != taker && !(is_ancestor && is_type) {
            let (taker, from) = (taker.clone(), from.clone());
            takes.insert(Take { from, taker, item });
        }
    }
    takes
}

impl Crate {
    fn add_file(&mut self, file: &Path, path: ModulePath) {
        let parsed = syn::parse_file(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add_module(file, path, &parsed.items);
    }

    fn add_module(&mut self, file: &Path, path: ModulePath, items: &[syn::Item]) {
        let module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        self.modules.insert(path.clone(), module);
        for item in items {
            self.add_item(file, &path, item);
        }
    }

    fn add_item(&mut self, file: &Path, path: &ModulePath, item: &syn::Item) {
        if attributes(item).iter().any(is_for_tests) {
            return;
        }
        match item {
            syn::Item::Mod(module) => self.add_child(file, path, module),
            syn::Item::Use(import) => self.add_use(path, Vec::new(), &import.tree),
            other => {
                if let Some((name, is_type)) = definition(other) {
                    self.at(path).items.insert(name, is_type);
                }
                let mut mentions = Mentions::default();
                mentions.visit_item(other);
                self.mentions
                    .extend(mentions.paths.into_iter().map(|mention| (path.clone(), mention)));
            }
        }
    }

    fn add_child(&mut self, file: &Path, path: &ModulePath, module: &syn::ItemMod) {
        let name = module.ident.to_string();
        let child = [&path[..], std::slice::from_ref(&name)].concat();
        match &module.content {
            Some((_, items)) => self.add_module(file, child, items),
            None => {
                let folder = match file.file_stem().and_then(|stem| stem.to_str()) {
                    Some("mod" | "lib" | "main") => file.parent().expect("a file stands in a folder").to_owned(),
                    _ => file.with_extension(""),
                };
                let homes = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
                let home = homes.iter().find(|home| home.exists());
                self.add_file(
                    home.unwrap_or_else(|| panic!("{name} of {} has no file", file.display())),
                    child,
                );
            }
        }
        // Naming a child is taking it: what a child takes from its parent closes a circle.
        self.mentions.push((path.clone(), vec!["self".into(), name]));
    }

    fn add_use(&mut self, module: &ModulePath, mut prefix: Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.add_use(module, prefix, &path.tree);
            }
            syn::UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|tree| self.add_use(module, prefix.clone(), tree)),
            syn::UseTree::Glob(_) => self.at(module).globs.push(prefix),
            syn::UseTree::Name(name) => self.add_import(module, prefix, &name.ident, &name.ident),
            syn::UseTree::Rename(rename) => self.add_import(module, prefix, &rename.ident, &rename.rename),
        }
    }

    fn add_import(&mut self, module: &ModulePath, mut path: Vec<String>, item: &syn::Ident, name: &syn::Ident) {
        let name = match item == "self" {
            true => path.last().expect("`self` stands behind a module").clone(),
            false => {
                path.push(item.to_string());
                name.to_string()
            }
        };
        self.at(module).imports.insert(name, path.clone());
        self.mentions.push((module.clone(), path));
    }

    fn at(&mut self, path: &ModulePath) -> &mut Module {
        self.modules
            .get_mut(path)
            .expect("the module was entered before its items")
    }

    /// The module that defines what a path of `module` leads to, the item's name, and whether it is a type. Nothing for
    /// what another crate defines.
    fn resolve(&self, module: &ModulePath, path: &[String], depth: usize) -> Option<(ModulePath, String, bool)> {
        // Imports that lead to each other are not followed for ever.
        if depth > 20 {
            return None;
        }
        let (mut at, mut rest) = self.start(module, path)?;
        let mut last = path[path.len() - rest.len()..].first();
        while let Some((name, behind)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(name)].concat();
            let here = &self.modules[&at];
            if self.modules.contains_key(&child) {
                (at, rest, last) = (child, behind, Some(name));
            } else if let Some(is_type) = here.items.get(name) {
                return Some((at, name.clone(), *is_type));
            } else if let Some(import) = here.imports.get(name) {
                let whole = [&import[..], behind].concat();
                return self.resolve(&at, &whole, depth + 1);
            } else {
                let globs = here.globs.iter();
                return globs
                    .map(|glob| [&glob[..], rest].concat())
                    .find_map(|whole| self.resolve(&at, &whole, depth + 1));
            }
        }
        let name = last.map_or_else(|| "crate".to_owned(), String::clone);
        Some((at, name, false))
    }

    /// The module from which the rest of a path is looked up.
    fn start<'p>(&self, module: &ModulePath, path: &'p [String]) -> Option<(ModulePath, &'p [String])> {
        let (first, mut rest) = path.split_first()?;
        let mut at = module.clone();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
                while let Some(("super", behind)) = rest.split_first().map(|(name, behind)| (name.as_str(), behind)) {
                    at.pop();
                    rest = behind;
                }
            }
            name => {
                let here = &self.modules[module];
                let child = [&at[..], &[name.to_owned()]].concat();
                // An import that begins with its own name leads to another crate.
                let imported = here
                    .imports
                    .get(name)
                    .is_some_and(|import| import.first() != path.first());
                if !self.modules.contains_key(&child) && !imported {
                    return None;
                }
                rest = path;
            }
        }
        Some((at, rest))
    }
}

/// Paths in code that begin within the crate.
#[derive(Default)]
struct Mentions {
    paths: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string());
        self.add(names.collect());
        syn::visit::visit_path(self, path);
    }

    /// Saying who may see an item takes nothing from them.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.add_tokens(invocation.tokens.clone());
        syn::visit::visit_macro(self, invocation);
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        let mut inner = Crate::default();
        inner.modules.insert(Vec::new(), Module::default());
        inner.add_use(&Vec::new(), Vec::new(), &import.tree);
        inner.mentions.into_iter().for_each(|(_, path)| self.add(path));
    }
}

impl Mentions {
    fn add(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.paths.push(path);
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.add(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => colons += 1,
                other => {
                    self.add(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.add(path);
    }
}

/// What an item defines: its name, and whether it is a type.
fn definition(item: &syn::Item) -> Option<(String, bool)> {
    let (name, is_type) = match item {
        syn::Item::Struct(item) => (&item.ident, true),
        syn::Item::Enum(item) => (&item.ident, true),
        syn::Item::Union(item) => (&item.ident, true),
        syn::Item::Trait(item) => (&item.ident, true),
        syn::Item::TraitAlias(item) => (&item.ident, true),
        syn::Item::Type(item) => (&item.ident, true),
        syn::Item::Const(item) => (&item.ident, false),
        syn::Item::Static(item) => (&item.ident, false),
        syn::Item::Fn(item) => (&item.sig.ident, false),
        _ => return None,
    };
    Some((name.to_string(), is_type))
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attribute: &syn::Attribute) -> bool {
    match &attribute.meta {
        syn::Meta::List(list) if attribute.path().is_ident("cfg") => list.tokens.to_string() == "test",
        _ => false,
    }
}

/// The shortest circle through each file that is in one, each told once.
fn circles(takes: &BTreeSet<Take>) -> Vec<Vec<Take>> {
    let files: BTreeSet<&PathBuf> = takes.iter().map(|take| &take.taker).collect();
    let mut told = BTreeSet::new();
    let mut circles = Vec::new();
    for file in files {
        if told.contains(file) {
            continue;
        }
        if let Some(circle) = circle_through(file, takes) {
            told.extend(circle.iter().map(|take| take.taker.clone()));
            circles.push(circle);
        }
    }
    circles
}

/// The shortest way from a file back to itself.
fn circle_through(file: &Path, takes: &BTreeSet<Take>) -> Option<Vec<Take>> {
    let mut ways = std::collections::VecDeque::from([Vec::<Take>::new()]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let at = way.last().map_or(file, |take| &take.from);
        for take in takes.iter().filter(|take| take.taker == at) {
            let next = [&way[..], std::slice::from_ref(take)].concat();
            if take.from == file {
                return Some(next);
            }
            if seen.insert(take.from.clone()) {
                ways.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of these files, in a folder of its own.
    fn seeded(sources: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in sources {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text).expect("a file is written");
        }
        folder
    }

    fn found(sources: &[(&str, &str)]) -> Vec<String> {
        let folder = seeded(sources);
        let prefix = format!("{}/", folder.path().display());
        let complaints = complaints(folder.path());
        complaints.iter().map(|text| text.replace(&prefix, "")).collect()
    }

    #[test]
    fn two_files_that_take_from_each_other_are_a_circle() {
        let found = found(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::g; pub fn f() { g() }"),
            ("b.rs", "pub fn g() {} fn h() { println!(\"{}\", super::a::f()) }"),
        ]);
        let wanted = "a circle:\n    a.rs takes `g` from b.rs\n    b.rs takes `f` from a.rs";
        assert_eq!(found, [wanted]);
    }

    #[test]
    fn a_circle_through_exports_and_three_files_is_found() {
        let found = found(&[
            ("main.rs", "mod a; mod b; mod c; pub use c::T;"),
            ("a.rs", "use crate::b; pub const A: u8 = b::B;"),
            ("b.rs", "use super::T as U; pub const B: u8 = 1; fn f(_: U) {}"),
            ("c.rs", "pub struct T; fn f() -> u8 { crate::a::A }"),
        ]);
        let wanted =
            "a circle:\n    a.rs takes `B` from b.rs\n    b.rs takes `T` from c.rs\n    c.rs takes `A` from a.rs";
        assert_eq!(found, [wanted]);
    }

    #[test]
    fn a_child_may_take_the_types_of_its_parent_and_nothing_else_of_it() {
        let parent = "mod child; pub struct T; pub const C: u8 = 1;";
        let allowed = ("p/child.rs", "use super::T; fn f(_: T) {}");
        assert!(found(&[("lib.rs", "mod p;"), ("p/mod.rs", parent), allowed]).is_empty());
        let refused = ("p/child.rs", "fn f() -> u8 { super::C }");
        assert_eq!(found(&[("lib.rs", "mod p;"), ("p/mod.rs", parent), refused]).len(), 1);
    }

    #[test]
    fn what_only_tests_take_does_not_count() {
        let tests = "pub fn g() {} #[cfg(test)] mod tests { use crate::a::f; }";
        assert!(
            found(&[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use crate::b::g; pub fn f() { g() }"),
                ("b.rs", tests),
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_module_with_two_homes_is_noticed() {
        let folder = seeded(&[("lib.rs", "mod a;"), ("a.rs", "mod b;"), ("a/b.rs", "")]);
        assert_eq!(split_modules(folder.path()).len(), 1);
    }
}
