"""A browser without network, and what it had to say."""

import contextlib
import json
import shutil

from support.servers import need

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium(folder):
    """Yield a browser that keeps its console and its requests in logs."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(browser and driver, "Chromium (with chromedriver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in [*FLAGS, f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    try:
        chrome.execute_cdp_cmd("Network.enable", {})
        offline = {"offline": True, "latency": 0}
        offline |= {"downloadThroughput": 0, "uploadThroughput": 0}
        chrome.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
        # processor time: what a busy machine does beside it does not count
        chrome.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        yield chrome
    finally:
        chrome.quit()


def resize(chrome, width, height=900):
    """Give the page a width; below 500 pixels, it is a phone's."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def errors(chrome):
    """Return the errors of the console since the last call."""
    return [line for line in chrome.get_log("browser") if line["level"] == "SEVERE"]


def requests(chrome):
    """Return the addresses on a network that the page asked for since the last call."""
    messages = (json.loads(line["message"])["message"] for line in chrome.get_log("performance"))
    asked = (
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    )
    return [url for url in asked if url.startswith(("http", "ws"))]


def busy(chrome):
    """Return the seconds that the page has kept its processor busy."""
    metrics = chrome.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration")
