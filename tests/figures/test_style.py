from matplotlib.figure import Figure
from matplotlib.image import imread

from musicssl.figures.style import save_png


def test_the_file_has_the_pixels_of_the_figure_and_its_folder_is_made(tmp_path):
    path = save_png(tmp_path / "new" / "folder" / "a.png", Figure(figsize=(2, 1)))
    assert path == tmp_path / "new" / "folder" / "a.png"
    assert imread(path).shape[:2] == (150, 300)
