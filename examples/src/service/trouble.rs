//! The button that makes a service slow or dead, so that one can see what its callers do. `POST /trouble?is=slow`, at the
//! service itself: no sidecar lets that through.

use std::time::Duration;

/// How slow slow is: longer than anybody here waits.
const SLOW: Duration = Duration::from_secs(5);

/// What a service suffers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    /// It is well.
    #[default]
    Nothing,
    /// It answers late.
    Slow,
    /// It takes requests and closes the connection.
    Dead,
}

impl Trouble {
    /// What the button says.
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "nothing" => Some(Self::Nothing),
            "slow" => Some(Self::Slow),
            "dead" => Some(Self::Dead),
            _ => None,
        }
    }

    /// Suffers. `Err`: there will be no answer.
    pub async fn suffer(self) -> std::io::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Slow => {
                tokio::time::sleep(SLOW).await;
                Ok(())
            }
            Self::Dead => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_button_knows_three_words() {
        let words = ["nothing", "slow", "dead", "", "Slow"];

        assert_eq!(
            words.map(Trouble::read),
            [Some(Trouble::Nothing), Some(Trouble::Slow), Some(Trouble::Dead), None, None]
        );
    }
}
