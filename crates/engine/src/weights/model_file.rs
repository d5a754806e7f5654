//! A file of weights together with what is known of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{
    GroupsFileError, Labels, LabelsError, LocateError, Manifest, ManifestError, Sha256,
    groups_file, locate,
};
use crate::groups::{GroupTree, Groups, GroupsError};

/// A file of weights, identified and described, but not yet parsed.
#[derive(Clone, Debug)]
pub struct ModelFile {
    /// The ONNX file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its checksum; the first 12 digits are the model's version.
    pub sha256: Sha256,
    /// What describes it.
    pub manifest: Manifest,
    /// Where the description comes from.
    pub origin: Origin,
    /// What the user should know, in sentences; already logged as warnings.
    pub warnings: Vec<String>,
    labels: NamedLabels,
    groups: Option<NamedGroups>,
}

/// Where a model's description comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The TOML beside the file.
    Toml(PathBuf),
    /// The checksum is that of a file that the program knows.
    Known,
    /// Nothing describes the file; it is taken to be as BVLC's.
    Assumed,
}

/// Labels that fit a network, see [`ModelFile::labels`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassLabels {
    /// One for each class.
    pub labels: Labels,
    /// What the user should know, in a sentence; already logged as a warning.
    pub warning: Option<String>,
}

#[derive(Clone, Debug)]
enum NamedLabels {
    /// The TOML names this file.
    File { path: PathBuf, labels: Labels },
    /// ImageNet's, with the built-in description.
    Builtin,
    /// ImageNet's if their number fits.
    Assumed,
    /// The TOML names none.
    None,
}

/// The file that the TOML names.
#[derive(Clone, Debug)]
struct NamedGroups {
    path: PathBuf,
    tree: GroupTree,
}

impl ModelFile {
    /// Reads and identifies the file at `path`, reads `path` with the extension `toml` when there is one, and the
    /// labels and groups that it names. Also gives the bytes of the file, which is read once: they are those of its
    /// checksum, also when it is replaced meanwhile.
    ///
    /// Warnings are logged: no description, a checksum that the TOML does not list, doubts about
    /// the TOML.
    ///
    /// # Errors
    /// [`ModelFileError`] names the file that is at fault; that at `path` is when it is larger than `most_bytes`.
    pub fn open(path: &Path, most_bytes: u64) -> Result<(Self, Vec<u8>), ModelFileError> {
        locate::check_file(path)?;
        let content = read(path, most_bytes)?;
        let (sha256, bytes) = (Sha256::of(&content), content.len() as u64);
        let Described { origin, manifest, labels, groups } = describe(path, &sha256)?;
        let mut warnings = manifest.doubts();
        warnings.extend(origin_warning(path, &origin, &manifest, &sha256));
        for warning in &warnings {
            tracing::warn!(model = %path.display(), "{warning}");
        }
        let path = path.to_owned();
        let file = Self { path, bytes, sha256, manifest, origin, warnings, labels, groups };
        Ok((file, content))
    }

    /// The first 12 hexadecimal digits of the checksum of all files that hold the model: this one and `others`.
    ///
    /// # Errors
    /// [`ModelFileError::Read`] names the one that cannot be read.
    pub fn version_with(&self, others: &[PathBuf]) -> Result<String, ModelFileError> {
        if others.is_empty() {
            return Ok(self.sha256.version());
        }
        let mut digests = self.sha256.to_string();
        for path in others {
            let (digest, _) = Sha256::of_file(path)
                .map_err(|source| ModelFileError::Read { path: path.clone(), source })?;
            digests.push_str(&digest.to_string());
        }
        Ok(Sha256::of(digests.as_bytes()).version())
    }

    /// The labels for a network of `classes` classes. Nothing is assumed silently: where the
    /// names are unknown the classes are numbered, and a warning says so.
    ///
    /// # Errors
    /// [`LabelsError::Count`] when the TOML names a labels file that has another number of lines.
    pub fn labels(&self, classes: usize) -> Result<ClassLabels, LabelsError> {
        let unnamed = |reason: String| {
            let warning = format!(
                "{reason}: the {classes} classes are numbered; name a labels file in {}",
                toml_beside(&self.path).display()
            );
            tracing::warn!(model = %self.path.display(), "{warning}");
            ClassLabels { labels: Labels::numbered(classes), warning: Some(warning) }
        };
        let imagenet = Labels::imagenet();
        match &self.labels {
            NamedLabels::File { path, labels } if labels.classes() != classes => {
                Err(LabelsError::Count { path: path.clone(), labels: labels.classes(), classes })
            }
            NamedLabels::File { labels, .. } => {
                Ok(ClassLabels { labels: labels.clone(), warning: None })
            }
            NamedLabels::None => Ok(unnamed("the TOML names no labels".to_owned())),
            NamedLabels::Builtin | NamedLabels::Assumed if imagenet.classes() == classes => {
                Ok(ClassLabels { labels: imagenet, warning: None })
            }
            NamedLabels::Builtin | NamedLabels::Assumed => {
                Ok(unnamed(format!("the network has not ImageNet's {}", imagenet.classes())))
            }
        }
    }

    /// The groups of the classes that have these labels: from the file that the TOML names, else WordNet's. A warning is
    /// logged where none of them is in that file.
    ///
    /// # Errors
    /// [`GroupsError`] when they are too many.
    pub fn groups(&self, labels: &Labels) -> Result<Groups, GroupsError> {
        let Some(NamedGroups { path, tree }) = &self.groups else {
            return Groups::new(GroupTree::wordnet(), labels.ids());
        };
        let groups = Groups::new(tree, labels.ids())?;
        if groups.as_slice().is_empty() {
            tracing::warn!(
                model = %self.path.display(),
                "no label has an id that is in {}: begin the lines of the labels file with the ids of its classes",
                path.display()
            );
        }
        Ok(groups)
    }
}

/// The bytes of a file that has at most `most` of them.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, ModelFileError> {
    let failed = |source| ModelFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let too_large = |bytes| ModelFileError::TooLarge { path: path.to_owned(), bytes, most };
    if bytes > most {
        return Err(too_large(bytes));
    }
    // It may grow while it is read.
    let mut content = Vec::with_capacity(bytes as usize + 1);
    file.take(most.saturating_add(1)).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > most {
        return Err(too_large(content.len() as u64));
    }
    Ok(content)
}

/// What describes a file of weights.
struct Described {
    origin: Origin,
    manifest: Manifest,
    labels: NamedLabels,
    groups: Option<NamedGroups>,
}

/// Where a model's TOML is looked for.
fn toml_beside(model: &Path) -> PathBuf {
    model.with_extension("toml")
}

fn describe(path: &Path, sha256: &Sha256) -> Result<Described, ModelFileError> {
    let toml = toml_beside(path);
    // A broken link counts as there: reading it gives the error that the user needs.
    if toml != path && toml.symlink_metadata().is_ok() {
        let manifest = Manifest::read(&toml)?;
        let labels = named_labels(&toml, &manifest)?;
        let groups = named_groups(&toml, &manifest)?;
        return Ok(Described { origin: Origin::Toml(toml), manifest, labels, groups });
    }
    let (origin, manifest, labels) = match Manifest::builtin().known(sha256) {
        Some(_) => (Origin::Known, Manifest::builtin().clone(), NamedLabels::Builtin),
        None => (Origin::Assumed, Manifest::assumed(), NamedLabels::Assumed),
    };
    Ok(Described { origin, manifest, labels, groups: None })
}

fn named_labels(toml: &Path, manifest: &Manifest) -> Result<NamedLabels, LabelsError> {
    let Some(labels) = &manifest.labels else { return Ok(NamedLabels::None) };
    let path = beside(toml, labels);
    Ok(NamedLabels::File { labels: Labels::read(&path)?, path })
}

fn named_groups(toml: &Path, manifest: &Manifest) -> Result<Option<NamedGroups>, GroupsFileError> {
    let Some(groups) = &manifest.groups else { return Ok(None) };
    let path = beside(toml, groups);
    Ok(Some(NamedGroups { tree: groups_file::read(&path)?, path }))
}

/// A file as a TOML names it.
fn beside(toml: &Path, file: &Path) -> PathBuf {
    toml.parent().unwrap_or(Path::new("")).join(file)
}

fn origin_warning(
    path: &Path,
    origin: &Origin,
    manifest: &Manifest,
    sha256: &Sha256,
) -> Option<String> {
    match origin {
        Origin::Known => None,
        Origin::Assumed => Some(format!(
            "nothing describes {}: it is taken to be preprocessed as BVLC's GoogLeNet \
             (256x256, centre crop 224, BGR, minus 104, 117, 123); \
             if it is not, its answers are wrong: put a description at {}",
            path.display(),
            toml_beside(path).display()
        )),
        Origin::Toml(_) if manifest.files.is_empty() || manifest.known(sha256).is_some() => None,
        Origin::Toml(toml) => Some(format!(
            "{} has the SHA-256 {sha256}, which {} does not list: \
             the file is damaged, or another model than the TOML describes",
            path.display(),
            toml.display()
        )),
    }
}

/// Why a file of weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// There is no such file.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// The file cannot be read.
    #[error("model file {}: {source}", path.display())]
    Read {
        /// The ONNX file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is larger than any that is expected.
    #[error(
        "{path} has {bytes} bytes, at most {most} are read (--max-model-bytes): name another file, or raise the limit"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The TOML beside it is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The labels that the TOML names are wrong.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The groups that the TOML names are wrong.
    #[error(transparent)]
    Groups(#[from] GroupsFileError),
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::model::Preprocessing;
    use std::fs;

    const INPUT: &str = "[input]\nchannels = \"RGB\"\nmean = 128\nscale = 0.01\n\
                         resize = { mode = \"stretch\", size = 224 }\n";

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Self(folder)
        }

        fn open(&self) -> Result<ModelFile, ModelFileError> {
            let most_bytes = 1 << 20;
            ModelFile::open(&self.0.path().join("x.onnx"), most_bytes).map(|(file, _)| file)
        }
    }

    #[test]
    fn without_a_toml_it_is_assumed_to_be_bvlc_and_says_so() {
        let model = Folder::with(&[("x.onnx", "abc")]).open().unwrap();
        assert_eq!((model.origin.clone(), model.bytes), (Origin::Assumed, 3));
        assert_eq!(model.version_with(&[]).unwrap(), "ba7816bf8f01");
        assert_eq!(model.manifest.preprocessing, Preprocessing::bvlc());
        assert_eq!(model.warnings.len(), 1);
        for part in ["BVLC", "BGR", "x.toml"] {
            assert!(model.warnings[0].contains(part), "{:?}", model.warnings);
        }
        let imagenet = model.labels(1000).unwrap();
        assert_eq!(imagenet, ClassLabels { labels: Labels::imagenet(), warning: None });
        let other = model.labels(20).unwrap();
        assert_eq!(other.labels.get(17).unwrap().name(), "class 17");
        assert!(other.warning.unwrap().contains("20 classes are numbered"));
    }

    #[test]
    fn it_is_read_once_and_up_to_a_limit() {
        let folder = Folder::with(&[("x.onnx", "abc")]);
        let open = |most_bytes| ModelFile::open(&folder.0.path().join("x.onnx"), most_bytes);
        let (file, content) = open(3).unwrap();
        assert_eq!((content.as_slice(), file.sha256), (&b"abc"[..], Sha256::of(b"abc")));
        let error = open(2).unwrap_err();
        assert!(matches!(error, ModelFileError::TooLarge { bytes: 3, most: 2, .. }), "{error}");
    }

    #[test]
    fn a_toml_beside_it_rules_and_its_labels_are_relative_to_it() {
        let toml = format!("labels = \"names/fruit.txt\"\n{INPUT}");
        let files = [("x.onnx", "abc"), ("x.toml", &toml), ("names/fruit.txt", "apple\npear\n")];
        let model = Folder::with(&files).open().unwrap();
        assert!(matches!(&model.origin, Origin::Toml(path) if path.ends_with("x.toml")));
        assert_eq!(model.manifest.preprocessing.mean, [128.0; 3]);
        assert_eq!(model.warnings, Vec::<String>::new());
        assert_eq!(model.labels(2).unwrap().labels.get(1).unwrap().name(), "pear");
        let message = model.labels(3).unwrap_err().to_string();
        for part in ["fruit.txt", "2 lines", "3 classes"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_toml_without_labels_numbers_the_classes() {
        let model = Folder::with(&[("x.onnx", "abc"), ("x.toml", INPUT)]).open().unwrap();
        let labels = model.labels(1000).unwrap();
        assert_eq!(labels.labels.get(999).unwrap().name(), "class 999");
        assert!(labels.warning.unwrap().contains("names no labels"));
    }

    #[test]
    fn a_checksum_that_the_toml_does_not_list_is_a_warning() {
        for (content, warnings) in [("abc", 0), ("abd", 1)] {
            let sha256 = Sha256::of(b"abc");
            let toml = format!("{INPUT}[[file]]\nname = \"x\"\nbytes = 3\nsha256 = \"{sha256}\"\n");
            let model = Folder::with(&[("x.onnx", content), ("x.toml", &toml)]).open().unwrap();
            assert_eq!(model.warnings.len(), warnings, "{:?}", model.warnings);
        }
    }

    #[test]
    fn its_groups_are_its_own_or_wordnets() {
        let labels = "n02124075 cat\nn00000002 pear\n";
        let groups = "n00000001 - * fruit\nn00000002 n00000001\n";
        let toml = format!("labels = \"x.txt\"\n{INPUT}");
        let with_groups = format!("groups = \"x.groups.txt\"\n{toml}");
        for (toml, class, expected) in [(&toml, 0, "domestic cat"), (&with_groups, 1, "fruit")] {
            let files =
                [("x.onnx", "abc"), ("x.toml", toml), ("x.txt", labels), ("x.groups.txt", groups)];
            let model = Folder::with(&files).open().unwrap();
            let groups = model.groups(&model.labels(2).unwrap().labels).unwrap();
            let above = |class| groups.above(class).map(|group| group.label.as_str()).next();
            assert_eq!((above(class), above(1 - class)), (Some(expected), None));
        }
    }

    #[test]
    fn faults_of_the_toml_the_labels_and_the_groups_stop_it() {
        let missing = format!("labels = \"none.txt\"\n{INPUT}");
        let no_groups = format!("groups = \"none.groups.txt\"\n{INPUT}");
        let wrong_groups = format!("groups = \"x.toml\"\n{INPUT}");
        for (toml, expected) in [
            ("[inptu]", "x.toml, line 1"),
            (missing.as_str(), "none.txt"),
            (no_groups.as_str(), "groups file"),
            (wrong_groups.as_str(), "x.toml: line 1 must begin with an id"),
        ] {
            let files = [("x.onnx", "abc"), ("x.toml", toml)];
            let message = Folder::with(&files).open().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(Folder::with(&[]).open().unwrap_err().to_string().contains("does not exist"));
    }
}
