// The theme's search dialog has no name, which screen readers need.
document.querySelector(".md-search").setAttribute("aria-label", "Search");
