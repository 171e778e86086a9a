//! What an import reports. An error leaves the file out; a warning says what somebody should look at.

use crate::finding::FindingLevel;
use crate::lint::rule::Rule;

macro_rules! rules {
    ($($name:ident $id:literal $level:ident $summary:literal $help:literal;)+) => {
        $(
            #[doc = $summary]
            pub static $name: Rule =
                Rule { id: $id, level: FindingLevel::$level, summary: $summary, help: $help };
        )+

        /// Every rule of the import.
        pub static RULES: &[&Rule] = &[$(&$name),+];
    };
}

rules! {
    OTHER_ENCODING "other-encoding" Error "The file is text in another encoding."
        "Convert it to UTF-8, for example with `iconv`.";
    NOT_MARKDOWN "not-markdown" Error "The file is no text."
        "Import the text that it was made from.";
    TOO_LARGE "too-large" Error "The file is larger than what becomes a runbook."
        "Split it into runbooks of their own.";
    EMPTY "empty" Error "There is nothing to import."
        "Remove the file, or write the runbook.";
    FRONT_MATTER "front-matter" Error "The front matter is neither YAML nor TOML."
        "Mend the lines between `---` (YAML) or `+++` (TOML).";
    UNREADABLE "unreadable" Error "The file or directory cannot be read."
        "Check its rights.";
    FILE_EXISTS "file-exists" Error "Another file has the place of the runbook."
        "Replace it with `--force`, or choose another folder.";
    KEPT_AS_TEXT "kept-as-text" Warning "A code block was kept as text and not as commands."
        "Copy it from the step's description, or write the command so that every value is an argument of its own.";
    NO_STEPS "no-steps" Warning "The text names no steps."
        "Add headings such as `Diagnosis` and `Mitigation`, or write the steps into the runbook.";
    UNCLOSED_FENCE "unclosed-fence" Warning "A code block is not closed."
        "Close it in the Markdown file; a heading after an empty line ended it for the import.";
    SCRIPT "html-script" Warning "The text holds HTML that would do something in a browser."
        "It is kept as text that is shown and never active.";
}
