//! Configuration: flags, then `CAUCE_*` variables, then `cauce.toml`, then defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use cauce_core::{Account, Region};
use cauce_dynamodb::{STREAM_RETENTION, STREAM_RETENTION_MAX};
use serde::Deserialize;

use crate::cli::Serve;
use cauce_client::KeyPair;

/// The port AWS emulators are expected on.
const PORT: u16 = 4566;

/// What the server is started with.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) root: KeyPair,
    /// The most function processes at once.
    pub(crate) sandboxes_max: Option<u32>,
    /// How long the streams of tables keep records.
    pub(crate) stream_retention: Duration,
}

/// The file, as its writer names things.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    account: Option<String>,
    region: Option<String>,
    root_access_key_id: Option<String>,
    root_secret_access_key: Option<String>,
    sandboxes_max: Option<u32>,
    stream_retention_hours: Option<u64>,
}

impl Config {
    /// Gathers the configuration; `variable` reads an environment variable.
    ///
    /// # Errors
    /// A value that cannot be read, or an open address without a key pair of its own: whoever reaches the port would be root.
    pub(crate) fn gather(flags: &Serve, variable: impl Fn(&str) -> Option<String>) -> Result<Config> {
        let file = read_file(flags.config.as_deref(), &variable)?;
        let set = |name: &str, in_file: Option<String>| variable(name).or(in_file);
        let listen = match (flags.listen, variable("CAUCE_LISTEN")) {
            (Some(listen), _) => listen,
            (None, Some(text)) => {
                text.parse().with_context(|| format!("CAUCE_LISTEN: {text} is no address with a port"))?
            }
            (None, None) => file.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))),
        };
        let data = flags.data.clone().or_else(|| variable("CAUCE_DATA").map(PathBuf::from)).or(file.data);
        let account = match set("CAUCE_ACCOUNT", file.account) {
            Some(text) => text.parse().with_context(|| format!("account {text}"))?,
            None => Account::DEFAULT,
        };
        let region = match set("CAUCE_REGION", file.region) {
            Some(text) => text.parse().with_context(|| format!("region {text}"))?,
            None => Region::default(),
        };
        let id = set("CAUCE_ROOT_ACCESS_KEY_ID", file.root_access_key_id);
        let secret = set("CAUCE_ROOT_SECRET_ACCESS_KEY", file.root_secret_access_key);
        let root = match (id, secret) {
            (Some(access_key_id), Some(secret_access_key))
                if !access_key_id.is_empty() && !secret_access_key.is_empty() =>
            {
                KeyPair { access_key_id, secret_access_key }
            }
            (None, None) if listen.ip().is_loopback() => {
                KeyPair { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned() }
            }
            _ => bail!(
                "{listen} can be reached from elsewhere: set both CAUCE_ROOT_ACCESS_KEY_ID and CAUCE_ROOT_SECRET_ACCESS_KEY, \
                 or listen on 127.0.0.1"
            ),
        };
        let sandboxes_max = number("CAUCE_SANDBOXES_MAX", &variable)?.or(file.sandboxes_max);
        let hours = number("CAUCE_STREAM_RETENTION_HOURS", &variable)?.or(file.stream_retention_hours);
        let stream_retention = hours.map_or(Ok(STREAM_RETENTION), stream_retention)?;
        let data = data.unwrap_or_else(|| PathBuf::from("cauce-data"));
        Ok(Config { data, listen, account, region, root, sandboxes_max, stream_retention })
    }
}

/// The number in an environment variable, if it is set.
fn number<N: FromStr>(name: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<N>> {
    let read = |text: String| text.parse().map_err(|_| anyhow!("{name}: {text} is no number"));
    variable(name).map(read).transpose()
}

/// As long as AWS keeps records at least: consumers count on that.
fn stream_retention(hours: u64) -> Result<Duration> {
    let [least, most] = [STREAM_RETENTION, STREAM_RETENTION_MAX].map(|retention| retention.as_secs() / 3_600);
    if !(least..=most).contains(&hours) {
        bail!("stream_retention_hours is {hours}; it must be from {least} to {most}");
    }
    Ok(Duration::from_secs(hours * 3_600))
}

fn read_file(flag: Option<&Path>, variable: &impl Fn(&str) -> Option<String>) -> Result<File> {
    let named = flag.map(Path::to_owned).or_else(|| variable("CAUCE_CONFIG").map(PathBuf::from));
    let path = match named {
        Some(path) => path,
        None if Path::new("cauce.toml").exists() => PathBuf::from("cauce.toml"),
        None => return Ok(File::default()),
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::cli::Serve;

    fn check(listen: Option<&str>, variables: &[(&str, &str)]) -> Result<Config, String> {
        let flags = Serve { listen: listen.map(|text| text.parse().unwrap()), ..Serve::default() };
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Config::gather(&flags, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn a_laptop_needs_nothing_and_an_open_port_needs_keys() {
        assert_eq!(check(None, &[]).unwrap().root.access_key_id, "test");
        let open = check(Some("0.0.0.0:4566"), &[]).err().unwrap();
        assert!(open.starts_with("0.0.0.0:4566 can be reached from elsewhere"), "{open}");
        let half = [("CAUCE_ROOT_ACCESS_KEY_ID", "AKIA")];
        assert!(check(Some("0.0.0.0:4566"), &half).is_err());
        assert!(check(None, &half).is_err());
        let both = [("CAUCE_ROOT_ACCESS_KEY_ID", "AKIA"), ("CAUCE_ROOT_SECRET_ACCESS_KEY", "s")];
        assert_eq!(check(Some("0.0.0.0:4566"), &both).unwrap().root.access_key_id, "AKIA");
    }

    #[test]
    fn flags_win_over_variables() {
        let variables = [("CAUCE_LISTEN", "127.0.0.1:1"), ("CAUCE_ACCOUNT", "123456789012")];
        assert_eq!(check(Some("127.0.0.1:2"), &variables).unwrap().listen.port(), 2);
        let config = check(None, &variables).unwrap();
        assert_eq!((config.listen.port(), config.account.to_string().as_str()), (1, "123456789012"));
        assert!(check(None, &[("CAUCE_ACCOUNT", "12")]).is_err());
    }

    #[test]
    fn streams_keep_records_for_a_day_or_longer() {
        let hours =
            |text| check(None, &[("CAUCE_STREAM_RETENTION_HOURS", text)]).map(|c| c.stream_retention.as_secs() / 3_600);
        assert_eq!(check(None, &[]).unwrap().stream_retention.as_secs(), 24 * 3_600);
        assert_eq!((hours("24"), hours("168"), hours("8760")), (Ok(24), Ok(168), Ok(8_760)));
        for (text, why) in [
            ("23", "stream_retention_hours is 23; it must be from 24 to 8760"),
            ("8761", "stream_retention_hours is 8761; it must be from 24 to 8760"),
            ("a week", "CAUCE_STREAM_RETENTION_HOURS: a week is no number"),
        ] {
            assert_eq!(hours(text), Err(why.to_owned()));
        }
    }
}
