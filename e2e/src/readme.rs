//! The README, taken at its word: its code blocks, in order.

use anyhow::Context as _;

/// A fenced block of the README.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the fence.
    pub language: String,
    /// What stands inside.
    pub text: String,
}

impl Block {
    /// The file that the block's first line names in a comment.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.text.lines().next()?.strip_prefix("# ")
    }
}

/// The blocks of the section with this title.
///
/// # Errors
/// When there is no such section.
pub fn blocks(readme: &str, title: &str) -> anyhow::Result<Vec<Block>> {
    let heading = format!("\n## {title}\n");
    let (_, section) = readme.split_once(&heading).with_context(|| format!("the README has no section '{title}'"))?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in section.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => open = Some(Block { language: language.to_owned(), text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    Ok(blocks)
}
