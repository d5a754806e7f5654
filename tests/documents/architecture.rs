//! Holds the modules' imports to a table, and `docs/architecture.md` to the same table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each module of the library with those that it may import. What is not here is not allowed, and
/// what is here is used.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "app",
            "config",
            "decode",
            "evidence",
            "groups",
            "inside",
            "kernels",
            "loaded_model",
            "machine",
            "metrics",
            "model",
            "model_info",
            "network",
            "preprocess",
            "topk",
            "weights",
        ],
    ),
    (
        "app",
        &[
            "batcher",
            "config",
            "decode",
            "http",
            "lifecycle",
            "loaded_model",
            "machine",
            "metrics",
            "pipeline",
            "preprocess",
        ],
    ),
    (
        "http",
        &[
            "config",
            "decode",
            "drawing",
            "evidence",
            "groups",
            "inside",
            "lifecycle",
            "metrics",
            "model",
            "model_info",
            "network",
            "pipeline",
            "preprocess",
            "topk",
            "weights",
        ],
    ),
    ("inside", &["drawing", "model"]),
    ("pipeline", &["batcher", "decode", "metrics", "model", "preprocess"]),
    ("decode", &[]),
    ("preprocess", &["model"]),
    ("batcher", &["metrics", "model"]),
    ("topk", &["groups", "model"]),
    ("evidence", &["drawing", "model"]),
    ("drawing", &[]),
    ("groups", &["model"]),
    ("model", &[]),
    ("plan", &["kernels", "model", "network"]),
    ("kernels", &[]),
    ("network", &["model"]),
    ("weights", &["groups", "model"]),
    ("model_info", &["groups", "model", "network", "weights"]),
    ("load_progress", &[]),
    (
        "loaded_model",
        &["groups", "load_progress", "model", "model_info", "network", "plan", "weights"],
    ),
    ("config", &["kernels", "loaded_model", "machine", "model", "weights"]),
    ("lifecycle", &[]),
    ("machine", &["kernels"]),
    ("metrics", &[]),
];

type Table = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_import_what_the_table_allows() {
    let allowed = allowed();
    let used = used();
    assert_eq!(
        used.keys().collect::<Vec<_>>(),
        allowed.keys().collect::<Vec<_>>(),
        "the modules of the packages are not the rows of the table"
    );
    let mut wrong = Vec::new();
    for (module, imports) in &used {
        let may = &allowed[module];
        wrong.extend(imports.difference(may).map(|i| format!("{module} must not import {i}")));
        wrong.extend(may.difference(imports).map(|i| format!("{module} imports {i} no more")));
    }
    assert!(wrong.is_empty(), "imports and table differ:\n{}", wrong.join("\n"));
}

/// Imports lead one way: some order of the modules has each after all that it imports.
#[test]
fn imports_have_no_cycle() {
    let mut left = allowed();
    while !left.is_empty() {
        let leaf = left.iter().find(|(_, imports)| imports.iter().all(|i| !left.contains_key(i)));
        let leaf = leaf.unwrap_or_else(|| panic!("a cycle among {:?}", left.keys())).0.clone();
        left.remove(&leaf);
    }
}

#[test]
fn the_document_has_the_same_table() {
    let text = crate::markdown::read("docs/architecture.md");
    let rows = crate::markdown::table(&text, &["module", "what it is", "may import"]);
    let documented: Table = rows
        .iter()
        .map(|row| {
            let names = |cell| crate::markdown::code(cell).into_iter().map(str::to_owned);
            let module = names(&row[0]).next().expect("the module's name in backticks");
            (module, names(&row[2]).collect())
        })
        .collect();
    assert_eq!(documented, allowed());
}

fn allowed() -> Table {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ALLOWED.iter().map(|(module, imports)| ((*module).to_owned(), owned(imports))).collect()
}

/// What each module imports, read from the files of the three packages. That a package imports no more of another than
/// it may is the compiler's to say.
fn used() -> Table {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut table = modules(&workspace.join("src"));
    table.extend(modules(&workspace.join("crates/engine/src")));
    table.insert("kernels".into(), BTreeSet::new());
    let names: BTreeSet<String> = table.keys().cloned().collect();
    for source in [workspace.join("src"), workspace.join("crates/engine/src")] {
        for (file, path) in files(&source) {
            let Some(imports) = table.get_mut(&path[0]) else { continue };
            let text = std::fs::read_to_string(&file).unwrap();
            // A module's own tests may make what it works on.
            let code = text.split("\nmod tests {").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let place = format!("{}: {line}", file.display());
                assert!(!line.contains("crate::{"), "write one `use` a module, in {place}");
                let kernels = line.contains("googlenet_kernels::").then_some("kernels");
                let found = from_root(line).chain(above(line, path.len())).chain(kernels);
                let found = found.filter(|name| names.contains(*name) && *name != path[0]);
                imports.extend(found.map(str::to_owned));
            }
        }
    }
    table
}

/// The modules of a package, without imports.
fn modules(source: &Path) -> Table {
    // Neither the library's root nor the program is a module.
    let paths = files(source).into_iter().map(|(_, path)| path);
    let paths = paths.filter(|path| *path != ["lib"] && *path != ["main"]);
    paths.map(|mut path| (path.swap_remove(0), BTreeSet::new())).collect()
}

/// All Rust files of a package, and which module each is.
fn files(source: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let mut files = Vec::new();
    find_rust_files(source, &mut files);
    files.into_iter().map(|file| (file.clone(), module_path(source, &file))).collect()
}

fn find_rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// `src/http/classify/mod.rs` is `["http", "classify"]`.
fn module_path(source: &Path, file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source).unwrap().with_extension("");
    let parts = relative.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| part != "mod").collect()
}

/// Modules named as `crate::name` or `googlenet_engine::name`.
fn from_root(line: &str) -> impl Iterator<Item = &str> {
    let roots = ["crate::", "googlenet_engine::"];
    roots.into_iter().flat_map(|root| line.split(root).skip(1).map(identifier))
}

/// Modules named as `super::name` with so many `super` that `name` stands at the root.
fn above(line: &str, depth: usize) -> impl Iterator<Item = &str> {
    let to_root = "super::".repeat(depth);
    let found = line.rfind(&to_root).map(|at| identifier(&line[at + to_root.len()..]));
    found.into_iter()
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}
