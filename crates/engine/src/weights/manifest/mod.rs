//! The TOML that describes a model: how a photo becomes its input, and where it comes from.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Sha256, text_file};
use crate::model::{OutputKind, Preprocessing};

pub mod proposal;
mod schema;

/// Larger files are refused: `models/googlenet.toml` takes 2 KB.
const MAX_BYTES: u64 = 1024 * 1024;

/// What a model's TOML says. `models/README.md` has its members in a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// From a decoded photo to the network's input.
    pub preprocessing: Preprocessing,
    /// The labels file as the TOML writes it: relative to the TOML's folder, or absolute.
    pub labels: Option<PathBuf>,
    /// The file of groups, written in the same way; WordNet's where there is none.
    pub groups: Option<PathBuf>,
    /// What the graph's output is, where the graph is not to be believed.
    pub output: OutputTable,
    /// Where the weights come from.
    pub source: Option<String>,
    /// Under which terms they may be used.
    pub licence: Option<String>,
    /// The files known to hold these weights.
    pub files: Vec<PinnedFile>,
}

/// What a TOML says of the output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputTable {
    /// The one to use, of several.
    pub name: Option<String>,
    /// What it is; follows from the graph if left out.
    pub kind: Option<OutputKind>,
}

/// A file of weights that is known by its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedFile {
    /// Its published name.
    pub name: String,
    /// Its length in bytes, above 0.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: Sha256,
    /// Where it is downloaded from, when it is.
    pub url: Option<String>,
}

impl Manifest {
    /// `models/googlenet.toml`, built into the program.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Manifest> = LazyLock::new(|| {
            let text = include_str!("../../../../../models/googlenet.toml");
            Manifest::parse(text, Path::new("models/googlenet.toml"))
                .expect("the file is built in, and a test parses it")
        });
        &BUILTIN
    }

    /// What is taken for a model that says nothing of itself: BVLC's preprocessing, no labels.
    pub fn assumed() -> Self {
        Self {
            preprocessing: Preprocessing::bvlc(),
            labels: None,
            groups: None,
            output: OutputTable::default(),
            source: None,
            licence: None,
            files: Vec::new(),
        }
    }

    /// Parses the text of a TOML; `file` is for the messages.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] names the file, the line and what would be allowed: unknown,
    /// missing or ill-typed members, a side outside 8..=1024, a resize below the side or above
    /// 4096, a mean that is not finite, a scale that is not finite or 0, a checksum of no SHA-256.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ManifestError> {
        schema::parse(text).map_err(|schema::Fault { offset, message }| ManifestError::Invalid {
            file: file.to_owned(),
            line: offset.map(|offset| line_of(text, offset)),
            message,
        })
    }

    /// Reads a TOML, see [`Manifest::parse`].
    ///
    /// # Errors
    /// [`ManifestError`] names the file, and the line where there is one.
    pub fn read(file: &Path) -> Result<Self, ManifestError> {
        let text = text_file::read(file, MAX_BYTES)
            .map_err(|source| ManifestError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, file)
    }

    /// The known file with this checksum.
    pub fn known(&self, sha256: &Sha256) -> Option<&PinnedFile> {
        self.files.iter().find(|file| file.sha256 == *sha256)
    }

    /// Whether a known file has this version, the first digits of its checksum.
    pub fn knows_version(&self, version: &str) -> bool {
        self.files.iter().any(|file| file.sha256.version() == version)
    }

    /// What is allowed but looks like a mistake, in sentences for the log.
    pub fn doubts(&self) -> Vec<String> {
        let mean = self.preprocessing.mean;
        let in_unit_range = mean.iter().all(|m| (0.0..=1.0).contains(m)) && mean != [0.0; 3];
        in_unit_range
            .then(|| {
                format!(
                    "the mean {mean:?} looks as if it were for pixels in 0..=1; \
                     pixels here are in 0..=255, so multiply it by 255"
                )
            })
            .into_iter()
            .collect()
    }
}

/// The line of a byte offset, both as an editor counts them: from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// Why a model's TOML cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read, is no UTF-8 or is larger than any such file.
    #[error("{}: {source}", file.display())]
    Read {
        /// The TOML.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The content is wrong.
    #[error(
        "{}{}: {message} (models/README.md explains the members)",
        file.display(),
        line.map(|line| format!(", line {line}")).unwrap_or_default()
    )]
    Invalid {
        /// The TOML.
        file: PathBuf,
        /// Counted from 1; `None` when the fault has no place, such as a missing table.
        line: Option<usize>,
        /// What is wrong and what would be allowed.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::model::{ChannelOrder, Resize};
    use proptest::prelude::*;

    const TORCHVISION: &str = r#"
labels = "labels.txt"
[input]
channels = "RGB"
mean = [123.675, 116.28, 103.53]
scale = [0.017125, 0.017507, 0.017429]
resize = { mode = "short_side", size = 256 }
"#;

    #[test]
    fn the_builtin_one_is_as_bvlc_trained() {
        let manifest = Manifest::builtin();
        assert_eq!(manifest.preprocessing, Preprocessing::bvlc());
        assert_eq!(manifest.labels.as_deref(), Some(Path::new("synset_words.txt")));
        let download = manifest.files.iter().find(|file| file.url.is_some()).unwrap();
        assert_eq!((download.name.as_str(), download.bytes), ("googlenet-12.onnx", 28_021_836));
        assert_eq!(download.sha256.version(), "c99c507058ea");
        assert_eq!(manifest.known(&download.sha256), Some(download));
        assert_eq!(manifest.known(&Sha256::of(b"")), None);
        assert_eq!(manifest.doubts(), Vec::<String>::new());
    }

    #[test]
    fn a_torchvision_export_is_described() {
        let manifest = Manifest::parse(TORCHVISION, Path::new("x.toml")).unwrap();
        assert_eq!(
            manifest.preprocessing,
            Preprocessing {
                side: 224,
                resize: Resize::ShortSide { size: 256 },
                channels: ChannelOrder::Rgb,
                mean: [123.675, 116.28, 103.53],
                scale: [0.017125, 0.017507, 0.017429],
            }
        );
    }

    #[test]
    fn one_scale_serves_all_channels_and_integers_do() {
        let text = "[input]\nside = 8\nchannels = \"RGB\"\nmean = 128\nscale = 2\n\
                    resize = { mode = \"stretch\", size = 8 }";
        let preprocessing = Manifest::parse(text, Path::new("x.toml")).unwrap().preprocessing;
        assert_eq!((preprocessing.mean, preprocessing.scale), ([128.0; 3], [2.0; 3]));
        assert_eq!((preprocessing.side, preprocessing.resize), (8, Resize::Stretch { size: 8 }));
    }

    /// Each departure from a good file, the line of the fault, and what the message must say.
    #[test]
    fn faults_name_file_line_and_what_is_allowed() {
        let cases: [(&str, &str, usize, &[&str]); 20] = [
            (r#"channels = "RGB""#, r#"channels = "GRB""#, 4, &["GRB", "RGB", "BGR"]),
            (r#"channels = "RGB""#, r#"chanels = "RGB""#, 4, &["chanels", "channels", "mean"]),
            (r#"channels = "RGB""#, "", 3, &["missing", "channels"]),
            ("short_side", "shortside", 7, &["shortside", "stretch", "short_side"]),
            ("size = 256 }", "size = 223 }", 7, &["223", "224"]),
            ("size = 256 }", "size = 5000 }", 7, &["5000", "4096"]),
            ("size = 256 }", "size = -1 }", 7, &["-1"]),
            ("size = 256 }", "}", 7, &["missing", "size"]),
            ("size = 256 }", "size = 256, antialias = true }", 7, &["antialias", "mode", "size"]),
            ("[input]", "[input]\nside = 7", 4, &["7", "8..=1024"]),
            ("[input]", "[input]\nside = 1025", 4, &["1025", "8..=1024"]),
            ("[input]", "[input]\nside = \"224\"", 4, &["224"]),
            ("123.675,", "nan,", 5, &["mean", "finite"]),
            ("123.675,", "1e40,", 5, &["mean", "finite"]),
            ("123.675, ", "", 5, &["3"]),
            ("0.017125,", "0,", 6, &["scale", "0"]),
            ("0.017125,", "inf,", 6, &["scale", "finite"]),
            ("labels = \"labels.txt\"", "labels = \"\"", 2, &["labels"]),
            ("labels = \"labels.txt\"", "labels = ", 2, &[]),
            ("labels = \"labels.txt\"", "groups = \"\"", 2, &["groups", "WordNet"]),
        ];
        for (from, to, line, expected) in cases {
            let text = TORCHVISION.replacen(from, to, 1);
            assert_ne!(text, TORCHVISION, "{from}");
            let message = Manifest::parse(&text, Path::new("my.toml")).unwrap_err().to_string();
            let place = format!("my.toml, line {line}: ");
            assert!(message.starts_with(&place), "{to:?}: {message}");
            for part in expected {
                assert!(message.contains(part), "{to:?} must say {part:?}: {message}");
            }
        }
    }

    #[test]
    fn faults_of_pinned_files() {
        let sha256 = "ab".repeat(32);
        let good = format!("[[file]]\nname = \"a.onnx\"\nbytes = 5\nsha256 = \"{sha256}\"\n");
        let text = format!("{TORCHVISION}{good}{good}");
        assert_eq!(Manifest::parse(&text, Path::new("x.toml")).unwrap().files.len(), 2);
        for (from, to, line, expected) in [
            ("bytes = 5", "bytes = 0", 10, "1"),
            (sha256.as_str(), "abc", 11, "64 hexadecimal digits"),
            ("bytes = 5", "bytes = 5\nurl = \"ftp://a\"", 11, "http"),
            ("bytes = 5", "", 8, "bytes"),
        ] {
            let text = format!("{TORCHVISION}{}", good.replacen(from, to, 1));
            let message = Manifest::parse(&text, Path::new("my.toml")).unwrap_err().to_string();
            assert!(message.starts_with(&format!("my.toml, line {line}: ")), "{to:?}: {message}");
            assert!(message.contains(expected), "{to:?}: {message}");
        }
    }

    /// The example for people must be one that the program takes.
    #[test]
    fn the_readmes_example_is_valid() {
        let readme = include_str!("../../../../../models/README.md");
        let (_, rest) = readme.split_once("```toml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let manifest = Manifest::parse(example, Path::new("README.md")).unwrap();
        assert_eq!(manifest.doubts(), Vec::<String>::new());
        let standard_deviations = manifest.preprocessing.scale.map(|scale| 1.0 / (scale * 255.0));
        for (actual, expected) in standard_deviations.into_iter().zip([0.229, 0.224, 0.225]) {
            assert!((actual - expected).abs() < 1e-5, "{actual} {expected}");
        }
        for file in &Manifest::builtin().files {
            assert!(readme.contains(&file.sha256.to_string()), "{}", file.name);
        }
    }

    #[test]
    fn the_input_is_required() {
        let message = Manifest::parse("", Path::new("my.toml")).unwrap_err().to_string();
        assert!(message.contains("my.toml") && message.contains("input"), "{message}");
    }

    #[test]
    fn a_mean_for_pixels_in_0_to_1_raises_a_doubt() {
        let text = TORCHVISION.replace("[123.675, 116.28, 103.53]", "[0.485, 0.456, 0.406]");
        let doubts = Manifest::parse(&text, Path::new("x.toml")).unwrap().doubts();
        assert!(doubts.len() == 1 && doubts[0].contains("255"), "{doubts:?}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\PC|\n)*") {
            let _ = Manifest::parse(&text, Path::new("x.toml"));
        }

        #[test]
        fn no_damage_panics(at in 0..TORCHVISION.len(), byte in 0_u8..128) {
            let mut bytes = TORCHVISION.as_bytes().to_vec();
            bytes[at] = byte;
            let text = String::from_utf8(bytes).unwrap();
            if let Ok(manifest) = Manifest::parse(&text, Path::new("x.toml")) {
                prop_assert!(manifest.preprocessing.side <= manifest.preprocessing.resize.size());
            }
        }
    }
}
