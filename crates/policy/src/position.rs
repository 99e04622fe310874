//! Where a policy's statements stand in its text.

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1 on.
    pub line: usize,
    /// In characters, from 1 on.
    pub column: usize,
}

/// A statement's first and last place, as simulations show them: a reader stands behind what opens
/// the statement, or its list, or behind the statement before; at its end, behind its last brace.
/// AWS docs: *IAM API Reference > Position*, and the examples of *AWS CLI > simulate-custom-policy*.
pub fn positions(text: &str) -> Vec<(Position, Position)> {
    let mut reader = Reader::default();
    for letter in text.chars() {
        reader.read(letter);
    }
    reader.found
}

/// Goes through a JSON text that is known to be a policy.
struct Reader {
    /// Behind the letter that was read last.
    place: Position,
    /// Braces and brackets that are open.
    depth: usize,
    /// Within a text, and behind its backslash.
    in_text: bool,
    is_escaped: bool,
    /// The text that was read last on the first level, and the member that its colon made of it.
    text: String,
    member: String,
    /// Where the next statement begins, and the depth to which its brace returns.
    begin: Option<(Position, usize)>,
    found: Vec<(Position, Position)>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            place: Position { line: 1, column: 1 },
            depth: 0,
            in_text: false,
            is_escaped: false,
            text: String::new(),
            member: String::new(),
            begin: None,
            found: Vec::new(),
        }
    }
}

impl Reader {
    fn read(&mut self, letter: char) {
        match letter {
            '\n' => self.place = Position { line: self.place.line + 1, column: 1 },
            _ => self.place.column += 1,
        }
        if self.in_text {
            return self.read_in_text(letter);
        }
        match letter {
            '"' => {
                self.in_text = true;
                self.text.clear();
            }
            ':' if self.depth == 1 => self.member.clone_from(&self.text),
            '{' | '[' => {
                if self.depth == 1 && self.member == "Statement" {
                    self.begin = Some((self.place, if letter == '{' { 1 } else { 2 }));
                }
                self.depth += 1;
            }
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                if let Some((begin, depth)) = self.begin {
                    self.close(letter, begin, depth);
                }
            }
            _ => {}
        }
    }

    fn read_in_text(&mut self, letter: char) {
        match letter {
            _ if self.is_escaped => self.is_escaped = false,
            '\\' => self.is_escaped = true,
            '"' => self.in_text = false,
            _ => self.text.push(letter),
        }
    }

    fn close(&mut self, letter: char, begin: Position, depth: usize) {
        if letter == '}' && self.depth == depth {
            self.found.push((begin, self.place));
            self.begin = Some((self.place, depth));
        }
        if self.depth == 1 {
            self.begin = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<[usize; 4]> {
        let numbers =
            |(begin, end): &(Position, Position)| [begin.line, begin.column, end.line, end.column];
        positions(text).iter().map(numbers).collect()
    }

    #[test]
    fn statements_stand_where_aws_says_that_they_do() {
        let documented = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}"#;
        assert_eq!(of(documented), [[1, 38, 1, 167]]);
        let list = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Statement\" : {",
            "Effect": "Allow",
            "Action": ["a:B"],
            "Resource": "*"
        }, {"Effect": "Deny", "Action": "*", "Resource": "*"}
    ]
}"#;
        assert_eq!(of(list), [[3, 19, 9, 10], [9, 10, 9, 62]]);
        for junk in ["", "{", "}}]]", "[{}]", r#"{"Statement":"#] {
            assert_eq!(of(junk), [[0; 4]; 0]);
        }
    }
}
