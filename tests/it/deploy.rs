//! The shipped deployments, as far as this machine can judge them.

use std::path::PathBuf;

use hookgate_tests::tool;
use tokio::process::Command;

use crate::fetched::from_pypi;

/// In tenths, as `systemd-analyze` counts: 100 is bare, less is better.
const MAX_EXPOSURE: &str = "15";

fn shipped(name: &str) -> PathBuf {
    tool::repository().join("deploy").join(name)
}

#[tokio::test]
async fn the_unit_is_as_closed_as_promised() {
    let Some(program) = tool::found("systemd-analyze", "apt-get install systemd") else {
        return;
    };
    let unit = shipped("systemd/hookgate.service");
    let output = Command::new(&program)
        .args([
            "security",
            "--offline=true",
            "--no-pager",
            "--threshold",
            MAX_EXPOSURE,
        ])
        .arg(&unit)
        .output()
        .await
        .unwrap();
    let said = tool::said(&output);
    assert!(said.contains("Overall exposure level"), "{said}");
    assert!(output.status.success(), "{said}");
    let output = Command::new(&program)
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .await
        .unwrap();
    // The binary is not installed here; everything else has to be understood.
    let complaints: Vec<String> = tool::said(&output)
        .lines()
        .filter(|line| !line.contains("is not executable") && line.contains("hookgate.service"))
        .map(str::to_owned)
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[tokio::test]
async fn shells_take_the_scripts() {
    let script = shipped("nginx/hookgate-nodes");
    let output = Command::new("sh")
        .arg("-n")
        .arg(&script)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", tool::said(&output));
    if let Some(program) = tool::found("shellcheck", "apt-get install shellcheck") {
        let output = Command::new(program).arg(&script).output().await.unwrap();
        assert!(output.status.success(), "{}", tool::said(&output));
    }
}

/// What leaves in 25 seconds after a delay has to get that long, everywhere.
#[test]
fn every_deployment_gives_a_node_the_time_to_leave() {
    let read = |name: &str| std::fs::read_to_string(shipped(name)).unwrap();
    let unit = read("systemd/hookgate.service");
    assert!(unit.contains("HOOKGATE_DRAIN_DELAY=5s") && unit.contains("TimeoutStopSec=60s"));
    let compose = read("compose/compose.yml");
    assert!(
        compose.contains("HOOKGATE_DRAIN_DELAY: 5s") && compose.contains("stop_grace_period: 35s")
    );
    let chart = read("helm/hookgate/templates/deployment.yaml");
    assert!(
        chart.contains("terminationGracePeriodSeconds: {{ add .Values.drainDelaySeconds 30 }}")
    );
    let container = read("container/Containerfile");
    assert!(container.contains("STOPSIGNAL SIGTERM"));
    assert!(
        container.contains("ENTRYPOINT [\"/usr/local/bin/hookgate\"]"),
        "no shell before it"
    );
}

const HELM: &str = "\
import sys
from helm_python import Chart, lint
found = lint(sys.argv[1], strict=True)
assert not found['errors'], found
all_on = {'serviceMonitor': {'enabled': True}, 'publicUrl': 'https://h.example',
          'settings': {'HOOKGATE_RETENTION': '30d'},
          'ingress': {'enabled': True, 'host': 'h.example', 'tlsSecret': 't', 'className': 'c'}}
files = Chart.load(sys.argv[1]).render(values=all_on)
import yaml
kinds = [d['kind'] for name, text in files.items() if name.endswith('.yaml') for d in yaml.safe_load_all(text) if d]
print(' '.join(sorted(kinds)))
";

#[tokio::test]
async fn helm_takes_the_chart() {
    if !tool::is_full("Helm's code, from PyPI") {
        return;
    }
    let Some(python) = tool::found("python3", "apt-get install python3") else {
        return;
    };
    let packages = ["helm-python-sdk==0.2.2", "pyyaml"];
    let wanted = (&packages[..], "helm_python");
    let Some(folder) = from_pypi(&python, "helm-python", wanted).await else {
        return;
    };
    let mut check = Command::new(&python);
    check
        .args(["-c", HELM])
        .arg(shipped("helm/hookgate"))
        .env("PYTHONPATH", &folder);
    let output = check.output().await.unwrap();
    let said = tool::said(&output);
    assert!(output.status.success(), "{said}");
    let kinds = "Deployment Ingress PodDisruptionBudget Service ServiceMonitor";
    assert!(said.contains(kinds), "{said}");
}
