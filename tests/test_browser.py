"""The page of `explore` in a real browser: it moves, is worked by keyboard, reads on a phone, and keeps to itself."""

import shutil
import threading
import time

import PIL.Image
import pytest
from films import HOSTILE, film_model, film_rows

import causalimg as ci
from causalimg.exploring.exploration import Exploration
from causalimg.exploring.server import application

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install causalimg[browser]")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt install chromium")

DRAWN = (
    "kind => [...document.querySelector(`[data-kind=${kind}] canvas`).getContext('2d').getImageData(0, 0, 16, 16).data]"
)
STILL = "new Promise(done => setTimeout(done, 150))"  # a picture takes some milliseconds to decode
CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => color.slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + [0.2126, 0.7152, 0.0722][i] * c, 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = {};
  const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [parse(getComputedStyle(element).color), behind(element)].map(light).sort((x, y) => y - x);
    found[text] = (a + 0.05) / (b + 0.05);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    model = film_model()
    model.sensitivities = {"beam": ci.model.Sensitivity(slope=None, change=0.0)}
    with pytest.warns(UserWarning, match="hardly follows beam"):
        return ci.explore(model, film_rows(), path, over=["age", "beam", "lung"], targets=3).as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page as a screen of some width shows it. In the end no error was said, and nobody else was asked."""
    asked, errors, pages = [], [], []

    def load(width=1200, **context):
        page = browser.new_page(viewport={"width": width, "height": 800}, **context)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: errors.extend([message.text] * (message.type == "error")))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.evaluate(STILL)
        pages.append(page)
        return page

    yield load
    for page in pages:
        page.close()
    assert errors == []
    assert {url.split(":")[0] for url in asked} <= {"file", "data"}
    assert [url for url in asked if url.startswith("file")] == [address] * len(pages)


def pictures(page):
    page.evaluate(STILL)
    return {kind: page.evaluate(DRAWN, kind) for kind in ("factual", "counterfactual", "difference")}


def test_at_first_all_is_as_it_was_seen(opened):
    page = opened()
    drawn = pictures(page)
    assert drawn["factual"] == drawn["counterfactual"]
    assert set(drawn["difference"]) == {246, 247, 255}  # white, and opaque
    assert page.locator("#summary").text_content() == "Nothing is asked: the image as it was seen."
    assert page.locator("#reset").is_disabled()


def test_a_slider_moves_by_keyboard_and_the_picture_with_it(opened):
    page = opened()
    before, slider = pictures(page), page.get_by_role("slider", name="lung")
    slider.focus()
    page.keyboard.press("ArrowRight")
    after = pictures(page)
    assert after["factual"] == before["factual"]
    assert after["counterfactual"] != before["counterfactual"]
    assert after["difference"] != before["difference"]
    assert slider.get_attribute("aria-valuetext") == "23.5 px"
    assert page.locator("#summary").text_content().startswith("Asked: lung 23.5 px, was 20 px. Measured: ")
    page.keyboard.press("End")
    assert pictures(page)["counterfactual"] not in (before["counterfactual"], after["counterfactual"])
    page.keyboard.press("Home")
    assert pictures(page) == before


def test_what_is_drawn_is_the_difference_in_the_colours_of_the_scale(opened):
    page = opened()
    page.get_by_role("slider", name="lung").fill("3")
    drawn, colors = pictures(page), page.evaluate("data.colors")
    for was, now, *color in zip(*(drawn[kind][0::4] for kind in ("factual", "counterfactual")),
                                *(drawn["difference"][at::4] for at in range(3)), strict=True):  # fmt: skip
        assert "#{:02x}{:02x}{:02x}".format(*color) == colors[max(-100, min(100, now - was)) + 100]


def test_one_variable_is_moved_at_a_time(opened):
    page = opened()
    page.get_by_role("slider", name="lung").fill("2")
    page.get_by_role("slider", name="age").fill("2")
    assert page.get_by_role("slider", name="lung").input_value() == "0"
    assert page.locator("#readings tr.asked th").text_content() == "ageasked"
    assert page.locator("#readings tr.follows th").text_content() == "lungfollows"
    page.locator("#reset").click()
    assert page.get_by_role("slider", name="age").input_value() == "0"
    assert pictures(page)["factual"] == pictures(page)["counterfactual"]


def test_levels_have_buttons_and_names_are_no_html(opened):
    page = opened()
    buttons = page.get_by_role("group", name="beam").get_by_role("button")
    assert buttons.all_text_contents() == [HOSTILE, "narrow"]
    pressed = [button.get_attribute("aria-pressed") for button in buttons.all()]
    other = buttons.nth(pressed.index("false"))
    before = pictures(page)
    other.focus()
    page.keyboard.press("Enter")
    assert other.get_attribute("aria-pressed") == "true"
    assert pictures(page)["counterfactual"] != before["counterfactual"]
    assert "the image hardly follows beam" in page.locator("[data-name=beam] .warning").text_content()
    assert page.locator("b").count() == 0


def test_another_item_shows_another_image(opened):
    page = opened()
    before = pictures(page)
    page.get_by_role("radio", name="Item 1").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Item 2").is_checked()
    after = pictures(page)
    assert after["factual"] != before["factual"]
    assert after["counterfactual"] == after["factual"]
    page.locator(".thumbs label").nth(2).click()
    assert pictures(page)["factual"] not in (before["factual"], after["factual"])


def test_outlines_go_and_come_back(opened):
    page = opened()
    page.get_by_role("slider", name="lung").fill("3")
    page.evaluate(STILL)
    solid, dashed = (page.locator(f"[data-kind=counterfactual] path{kind}") for kind in (":not(.dashed)", ".dashed"))
    assert solid.is_visible()
    assert dashed.is_visible()
    assert page.locator("[data-kind=factual] path").count() == 1
    assert solid.get_attribute("d") != dashed.get_attribute("d")
    page.get_by_label("Outlines").focus()
    page.keyboard.press("Space")
    assert not solid.is_visible()
    page.get_by_label("Outlines").click()
    assert dashed.is_visible()


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_runs_out_of_the_screen(opened, width):
    page = opened(width)
    page.get_by_role("slider", name="lung").fill("3")
    page.evaluate(STILL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = "elements => elements.filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"
    assert page.locator("#pictures *, #controls *, #summary, #marks").evaluate_all(outside) == []


def test_a_finger_finds_what_it_can_touch(opened):
    page = opened(390, has_touch=True)
    sizes = "elements => elements.map(e => e.getBoundingClientRect()).map(box => Math.min(box.width, box.height))"
    assert min(page.locator("button, input[type=range], .toggle, .thumbs label").evaluate_all(sizes)) >= 24
    before = pictures(page)
    page.get_by_role("slider", name="lung").tap()
    assert pictures(page)["counterfactual"] != before["counterfactual"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(opened, scheme):
    page = opened(color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("slider", name="lung").fill("3")
    page.evaluate(STILL)
    found = page.evaluate(CONTRASTS)
    assert len(found) > 20
    assert {text: contrast for text, contrast in found.items() if contrast < 4.5} == {}


def test_what_has_the_focus_is_seen(opened):
    page = opened()
    for _ in range(8):
        page.keyboard.press("Tab")
        shown = "((e) => getComputedStyle(e.matches('.thumbs input') ? e.nextSibling : e).outlineWidth)"
        assert page.evaluate(f"{shown}(document.activeElement)") == "3px"


def test_unusual_and_unsure_answers_are_marked(opened):
    page = opened()
    page.evaluate("Object.assign(asked('lung').answers[3], { support: '0.2%', unusual: true })")
    page.evaluate("asked('lung').answers[3].readings.lung.unsure = true")
    page.get_by_role("slider", name="lung").fill("3")
    page.evaluate(STILL)
    assert page.locator("#marks").text_content() == (
        "Support 0.2%. Unusual: hardly seen in training. Not sure: draws differ by more than what was asked for."
    )
    assert page.get_by_role("status").get_attribute("aria-live") == "polite"


def test_the_last_that_was_asked_for_is_what_is_shown(opened):
    page = opened()
    page.evaluate("ask('lung', 3)")
    wanted = pictures(page)
    page.evaluate("""() => {
      const quick = decode;
      let left = 300;  // the first takes longest
      window.decode = async (image) => {
        await new Promise((done) => setTimeout(done, left -= 30));
        return quick(image);
      };
      for (const at of [1, 2, 3]) ask('lung', at);
      return new Promise((done) => setTimeout(done, 400));
    }""")
    assert pictures(page) == wanted


@pytest.fixture(scope="module")
def served():
    uvicorn = pytest.importorskip("uvicorn", reason="no uvicorn: pip install causalimg[serve]")
    app = application(Exploration(film_model(), film_rows(), ["beam", "lung"], 5, 2, 1))
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def test_a_live_page_asks_the_model_and_says_what_it_refuses(browser, served, tmp_path):
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served)
    before = pictures(page)
    page.get_by_role("slider", name="lung").fill("5")
    page.locator("#summary").get_by_text("Measured:").wait_for()
    assert pictures(page)["counterfactual"] != before["counterfactual"]
    page.get_by_text("An image of your own").click()
    page.get_by_role("button", name="Show it").click()
    assert page.get_by_role("alert").text_content() == "choose a file: PNG, JPEG or TIFF"
    PIL.Image.new("L", (16, 16), 77).save(tmp_path / "mine.png")
    page.get_by_label("file").set_input_files(tmp_path / "mine.png")
    page.get_by_role("button", name="Show it").click()
    page.get_by_role("alert").get_by_text("age").wait_for()  # which no reader reads, and nobody said
    page.locator(".upload").get_by_label("age").fill("50")
    page.get_by_role("button", name="Show it").click()
    page.get_by_role("radio", name="Item 3").wait_for()
    assert set(pictures(page)["factual"]) == {77, 255}
    assert not page.get_by_role("alert").is_visible()
    page.get_by_role("slider", name="lung").press("Home")
    page.locator("#summary").get_by_text("Asked: lung").wait_for()
    assert {url.removeprefix(served) for url in asked if not url.startswith("data:")} == {"", "do", "item"}
    page.close()
