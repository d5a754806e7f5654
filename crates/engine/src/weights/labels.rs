//! The names of the classes, in the order of the network's output.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use super::text_file;

/// Larger files are refused: 1,000 ImageNet classes take 32 KB.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What one class is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// WordNet id, such as `n02124075`; empty when the labels file gives none.
    pub id: String,
    /// The names, at least one and none of them empty, the usual one first.
    pub names: Vec<String>,
}

impl Label {
    /// The first name.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// The labels of all classes, `[classes]`, by index in the network's output. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// The 1,000 classes of ILSVRC 2012 in Caffe's order, built into the program.
    pub fn imagenet() -> Self {
        static IMAGENET: LazyLock<Labels> = LazyLock::new(|| {
            Labels::parse(include_str!("../../../../models/synset_words.txt"))
                .expect("the file is built in, and a test parses it")
        });
        IMAGENET.clone()
    }

    /// `class 0`, `class 1`, …: for a network whose classes nobody has named.
    pub fn numbered(classes: usize) -> Self {
        let label = |class| Label { id: String::new(), names: vec![format!("class {class}")] };
        Self((0..classes).map(label).collect())
    }

    /// Reads the text of a labels file: one class a line, in the order of the output.
    ///
    /// Two forms are known. `n01440764 tench, Tinca tinca`: a WordNet id, then names parted by
    /// commas (`synset_words.txt` of Caffe). Or the name alone; then the whole line is the one
    /// name, commas and all, and the id is empty. The first line decides for the file.
    ///
    /// # Errors
    /// [`ParseLabelsError`] names the line: a file that mixes the forms, an empty line before the
    /// last class (it would shift all classes behind it), a control character; or no class at all.
    pub fn parse(text: &str) -> Result<Self, ParseLabelsError> {
        let text = text.trim_end();
        if text.is_empty() {
            return Err(ParseLabelsError::Empty);
        }
        let with_ids = text.lines().next().is_some_and(|line| wordnet_id(line.trim()).is_some());
        text.lines()
            .zip(1..)
            .map(|(text, line)| parse_line(text.trim(), line, with_ids))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Reads a labels file, see [`Labels::parse`].
    ///
    /// # Errors
    /// [`LabelsError`] names the file, and the line where there is one.
    pub fn read(path: &Path) -> Result<Self, LabelsError> {
        let text = text_file::read(path, MAX_BYTES)
            .map_err(|source| LabelsError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|source| LabelsError::Parse { path: path.to_owned(), source })
    }

    /// The labels by class index.
    pub fn as_slice(&self) -> &[Label] {
        &self.0
    }

    /// The label of a class; `None` past the last class.
    pub fn get(&self, class: usize) -> Option<&Label> {
        self.0.get(class)
    }

    /// The WordNet ids by class index, empty where there is none.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|label| label.id.as_str())
    }

    /// The class that has this id or name, whatever its letters' case; the first name of a class goes before the others
    /// of another.
    ///
    /// # Errors
    /// [`ClassNameError`] when no class has it, or several have.
    pub fn find(&self, name: &str) -> Result<usize, ClassNameError> {
        let is_it = |text: &str| !name.is_empty() && text.eq_ignore_ascii_case(name);
        let by: [&dyn Fn(&Label) -> bool; 3] =
            [&|label| is_it(&label.id), &|label| is_it(label.name()), &|label| {
                label.names.iter().any(|name| is_it(name))
            }];
        for has_it in by {
            let mut found = (0..).zip(self.0.iter()).filter(|(_, label)| has_it(label));
            match (found.next(), found.next()) {
                (Some((class, _)), None) => return Ok(class),
                (Some((first, _)), Some((second, _))) => {
                    return Err(ClassNameError::Several(first, second));
                }
                (None, _) => {}
            }
        }
        Err(ClassNameError::Unknown)
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.0.len()
    }
}

/// A name is not that of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassNameError {
    /// No class has it.
    #[error("no class has this id or name")]
    Unknown,
    /// Several have it, these among them.
    #[error("several classes have this name, such as {0} and {1}")]
    Several(usize, usize),
}

fn parse_line(text: &str, line: usize, with_ids: bool) -> Result<Label, ParseLabelsError> {
    if text.is_empty() {
        return Err(ParseLabelsError::Blank { line });
    }
    if text.contains(char::is_control) {
        return Err(ParseLabelsError::ControlCharacter { line });
    }
    match (wordnet_id(text), with_ids) {
        (Some((id, names)), true) => Ok(Label { id: id.to_owned(), names: split_names(id, names) }),
        (None, false) => Ok(Label { id: String::new(), names: vec![text.to_owned()] }),
        (None, true) => Err(ParseLabelsError::MissingId { line }),
        (Some(_), false) => Err(ParseLabelsError::UnexpectedId { line }),
    }
}

/// Parts a line into its WordNet id, `n` and 8 digits, and the rest; `None` when it has no id.
fn wordnet_id(line: &str) -> Option<(&str, &str)> {
    let (id, names) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let digits = id.strip_prefix('n')?;
    (digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then_some((id, names.trim()))
}

/// The names of a line; the id stands in for them when there are none.
fn split_names(id: &str, names: &str) -> Vec<String> {
    let names: Vec<_> = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.is_empty() { vec![id.to_owned()] } else { names }
}

/// Why a labels file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file cannot be read, is no UTF-8 or is larger than any labels file.
    #[error("labels file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file's content is no list of labels.
    #[error("labels file {}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseLabelsError,
    },
    /// The file and the network disagree about the number of classes.
    #[error(
        "labels file {} has {labels} lines, but the network has {classes} classes: \
         give one line for each class, in the order of the output",
        path.display()
    )]
    Count {
        /// The file.
        path: PathBuf,
        /// Labels in the file.
        labels: usize,
        /// Classes of the network.
        classes: usize,
    },
}

/// What is wrong with the text of a labels file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseLabelsError {
    /// There is no line.
    #[error("no labels: one line for each class is needed")]
    Empty,
    /// An empty line would shift the classes behind it.
    #[error("line {line} is empty: one line for each class is needed")]
    Blank {
        /// Counted from 1.
        line: usize,
    },
    /// Labels are printed to terminals and logs.
    #[error("line {line} has a control character")]
    ControlCharacter {
        /// Counted from 1.
        line: usize,
    },
    /// Line 1 begins with a WordNet id, this one does not.
    #[error("line {line} has no WordNet id (n and 8 digits), but line 1 has one")]
    MissingId {
        /// Counted from 1.
        line: usize,
    },
    /// This line begins with a WordNet id, line 1 does not.
    #[error("line {line} has a WordNet id, but line 1 has none")]
    UnexpectedId {
        /// Counted from 1.
        line: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn imagenet_has_its_thousand_classes() {
        let labels = Labels::imagenet();
        assert_eq!(labels.classes(), 1000);
        let cat = labels.get(285).unwrap();
        assert_eq!((cat.id.as_str(), cat.name()), ("n02124075", "Egyptian cat"));
        assert_eq!(labels.get(0).unwrap().names, ["tench", "Tinca tinca"]);
        assert!(labels.as_slice().iter().all(|label| label.id.len() == 9));
        assert_eq!(labels.get(1000), None);
    }

    #[test]
    fn a_plain_line_is_one_name() {
        let labels = Labels::parse("ripe apple\r\npear, unripe\nn1 road\n\n").unwrap();
        let names: Vec<_> = labels.as_slice().iter().map(Label::name).collect();
        assert_eq!(names, ["ripe apple", "pear, unripe", "n1 road"]);
        assert!(labels.as_slice().iter().all(|label| label.id.is_empty()));
    }

    #[test]
    fn an_id_alone_names_itself() {
        let labels = Labels::parse("n00000001 a, b,\nn00000002").unwrap();
        assert_eq!(labels.get(0).unwrap().names, ["a", "b"]);
        assert_eq!(labels.get(1).unwrap().names, ["n00000002"]);
    }

    #[test]
    fn errors_name_the_line() {
        use ParseLabelsError::*;
        for (text, expected) in [
            ("", Empty),
            ("\n \n", Empty),
            ("a\n\nb", Blank { line: 2 }),
            ("\na", Blank { line: 1 }),
            ("a\nb\u{1b}[2J", ControlCharacter { line: 2 }),
            ("n00000001 a\nb", MissingId { line: 2 }),
            ("a\nb\nn00000001 c", UnexpectedId { line: 3 }),
        ] {
            assert_eq!(Labels::parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_label() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.txt");
        std::fs::write(&path, "\u{feff}cat\r\ndog\r\n").unwrap();
        assert_eq!(Labels::read(&path).unwrap().get(0).unwrap().name(), "cat");
    }

    #[test]
    fn unreadable_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.txt");
        assert!(Labels::read(&missing).unwrap_err().to_string().contains("none.txt"));
        let binary = folder.path().join("binary.txt");
        std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
        assert!(Labels::read(&binary).unwrap_err().to_string().contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn every_line_is_a_class(
            classes in prop::collection::vec(("[0-9]{8}", prop::collection::vec("[a-zA-Z][a-z '-]{0,8}[a-z]", 1..4)), 1..20)
        ) {
            let text: String =
                classes.iter().map(|(id, names)| format!("n{id} {}\n", names.join(", "))).collect();
            let expected: Vec<_> = classes
                .into_iter()
                .map(|(id, names)| Label { id: format!("n{id}"), names })
                .collect();
            let labels = Labels::parse(&text).unwrap();
            prop_assert_eq!(labels.as_slice(), expected.as_slice());
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            if let Ok(labels) = Labels::parse(&text) {
                prop_assert!(labels.as_slice().iter().all(|label| !label.name().is_empty()));
            }
        }
    }
}
