//! The text of a file of groups.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Larger files are refused: the groups of ImageNet's 1,000 classes take 50 KB.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// Classes and what lies above them, parents before children. A group may have several parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTree {
    pub(super) nodes: Vec<Node>,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: String,
    /// Indices of nodes before this one.
    pub(super) parents: Vec<usize>,
    /// A class has none: the labels name it.
    pub(super) name: Option<GroupName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupName {
    pub(super) label: String,
    /// Whether answers may name it.
    pub(super) is_shown: bool,
}

impl GroupTree {
    /// WordNet's groups of ImageNet's 1,000 classes, `models/groups.txt`, built into the program.
    pub fn wordnet() -> &'static Self {
        static WORDNET: LazyLock<GroupTree> = LazyLock::new(|| {
            GroupTree::parse(include_str!("../../../../models/groups.txt"))
                .expect("the file is built in, and a test parses it")
        });
        &WORDNET
    }

    /// Reads the text of a file of groups.
    ///
    /// A line is `n02084071 n02083346,n01317541 * dog` for a group: its id, the ids of its parents (`-` for none),
    /// `*` if answers may name it or `-` if not, and its name. For a class it is `n02085620 n02085374`. Parents
    /// stand above their children. Empty lines, and lines that begin with `#`, are passed over.
    ///
    /// # Errors
    /// [`ParseGroupsError`] names the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ParseGroupsError> {
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let node = reader.node(line);
                let node = node.map_err(|fault| ParseGroupsError { line: number, fault })?;
                reader.nodes.push(node);
            }
        }
        Ok(Self { nodes: reader.nodes })
    }
}

#[derive(Default)]
struct Reader<'a> {
    nodes: Vec<Node>,
    by_id: HashMap<&'a str, usize>,
    shown: HashSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn node(&mut self, line: &'a str) -> Result<Node, Fault> {
        if line.contains(char::is_control) {
            return Err(Fault::ControlCharacter);
        }
        let mut fields = line.splitn(3, ' ');
        let id = fields.next().filter(|id| is_id(id)).ok_or(Fault::Id)?;
        let parents = match fields.next().ok_or(Fault::Parents)? {
            "-" => Vec::new(),
            parents => parents.split(',').map(|id| self.parent(id)).collect::<Result<_, _>>()?,
        };
        let name = fields.next().map(|rest| self.name(rest)).transpose()?;
        if self.by_id.insert(id, self.nodes.len()).is_some() {
            return Err(Fault::Repeated(id.to_owned()));
        }
        Ok(Node { id: id.to_owned(), parents, name })
    }

    fn parent(&self, id: &str) -> Result<usize, Fault> {
        let parent = self.by_id.get(id).ok_or_else(|| Fault::UnknownParent(id.to_owned()))?;
        match self.nodes[*parent].name {
            Some(_) => Ok(*parent),
            None => Err(Fault::NamelessParent(id.to_owned())),
        }
    }

    fn name(&mut self, mark_and_label: &'a str) -> Result<GroupName, Fault> {
        let (mark, label) = mark_and_label.split_once(' ').ok_or(Fault::Name)?;
        let (label, is_shown) = (label.trim(), mark == "*");
        if label.is_empty() || label.contains(',') || is_id(label) || !["*", "-"].contains(&mark) {
            return Err(Fault::Name);
        }
        if is_shown && !self.shown.insert(label) {
            return Err(Fault::SameName(label.to_owned()));
        }
        Ok(GroupName { label: label.to_owned(), is_shown })
    }
}

/// As in a file of labels: `n` and 8 digits.
fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix('n').unwrap_or_default();
    digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// What is wrong with the text of a file of groups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {fault}")]
pub struct ParseGroupsError {
    /// Counted from 1.
    pub line: usize,
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("must begin with an id, `n` and 8 digits, such as n02084071")]
    Id,
    #[error(
        "must have the ids of its parents behind its own, separated by commas, or `-` for none"
    )]
    Parents,
    #[error(
        "must end after the parents if it is a class, or go on with `*` (shown in answers) or `-` (not shown), a space \
         and a name, no id and without commas, if it is a group, such as `n02084071 n02083346 * dog`"
    )]
    Name,
    #[error("has a control character")]
    ControlCharacter,
    #[error("has the id {0}, which an earlier line has")]
    Repeated(String),
    #[error("has the parent `{0}`, which is on no line above it")]
    UnknownParent(String),
    #[error("has the parent `{0}`, whose line has no name: only groups have children")]
    NamelessParent(String),
    #[error("shows the name `{0}`, which an earlier line shows")]
    SameName(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wordnet_is_read() {
        let nodes = &GroupTree::wordnet().nodes;
        let groups = nodes.iter().filter(|node| node.name.is_some()).count();
        assert_eq!((nodes.len(), groups), (1860, 860));
        let dog = nodes.iter().find(|node| node.id == "n02084071").unwrap();
        let name = GroupName { label: "dog".into(), is_shown: true };
        assert_eq!((&dog.name, dog.parents.len()), (&Some(name), 2));
        for hidden in [
            "placental",
            "instrumentality",
            "artifact",
            "whole",
            "entity",
            "physical entity",
            "object",
        ] {
            let of_name =
                |node: &&Node| node.name.as_ref().is_some_and(|name| name.label == hidden);
            let found: Vec<_> = nodes.iter().filter(of_name).collect();
            assert!(!found.is_empty(), "{hidden}");
            assert!(found.iter().all(|node| !node.name.as_ref().unwrap().is_shown), "{hidden}");
        }
    }

    #[test]
    fn comments_and_line_ends_are_passed_over() {
        let text = "# fruit\r\n\r\nn00000001 - * stone fruit \r\nn00000002 n00000001\r\n";
        let tree = GroupTree::parse(text).unwrap();
        let name = GroupName { label: "stone fruit".into(), is_shown: true };
        assert_eq!(tree.nodes[0].name, Some(name));
        assert_eq!(tree.nodes[1], Node { id: "n00000002".into(), parents: vec![0], name: None });
    }

    #[test]
    fn faults_name_the_line() {
        use Fault::*;
        let root = "n00000001 - * fruit\n";
        for (line, fault) in [
            ("dog", Id),
            ("n0000002 -", Id),
            ("n0000000a -", Id),
            ("n00000002", Parents),
            ("n00000002  * x", UnknownParent(String::new())),
            ("n00000002 n00000003", UnknownParent("n00000003".into())),
            ("n00000002 n00000002", UnknownParent("n00000002".into())),
            ("n00000002 n00000001,", UnknownParent(String::new())),
            ("n00000002 n00000001 apple", Name),
            ("n00000002 n00000001 + apple", Name),
            ("n00000002 n00000001 *", Name),
            ("n00000002 n00000001 - a, b", Name),
            ("n00000002 n00000001 * n00000003", Name),
            ("n00000002 - - \u{1b}[2J", ControlCharacter),
            ("n00000001 -", Repeated("n00000001".into())),
            ("n00000002 n00000001 * fruit", SameName("fruit".into())),
        ] {
            let found = GroupTree::parse(&format!("{root}{line}")).unwrap_err();
            assert_eq!(found, ParseGroupsError { line: 2, fault }, "{line}");
        }
        let text = format!("{root}n00000002 n00000001\nn00000003 n00000002");
        let found = GroupTree::parse(&text).unwrap_err().to_string();
        assert!(found.starts_with("line 3 has the parent `n00000002`"), "{found}");
        assert!(
            GroupTree::parse(&format!("{root}n00000002 n00000001 - fruit")).is_ok(),
            "not shown"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\PC|\n)*") {
            let _ = GroupTree::parse(&text);
        }

        #[test]
        fn no_damage_panics(at in 0usize..50, byte in 0u8..128) {
            let mut bytes = b"n00000001 - * fruit\nn00000002 n00000001\nn00000003 -\n".to_vec();
            bytes[at] = byte;
            if let Ok(tree) = GroupTree::parse(std::str::from_utf8(&bytes).unwrap()) {
                for (place, node) in tree.nodes.iter().enumerate() {
                    prop_assert!(node.parents.iter().all(|parent| *parent < place));
                }
            }
        }
    }
}
