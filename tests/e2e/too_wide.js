// The texts and dialogs that can be seen and reach beyond the window's sides.
() => {
  const found = [];
  const check = (what, { left, right, width }) => {
    // What only screen readers see is a pixel out.
    if (width && (left < -1 || right > innerWidth + 1))
      found.push(`${what}: from ${left} to ${right} of ${innerWidth}`);
  };
  const inside = (node) => {
    if (node.shadowRoot) return node.shadowRoot.childNodes;
    const given = node.localName === "slot" ? node.assignedNodes() : [];
    return given.length ? given : node.childNodes;
  };
  const look = (node) => {
    for (const child of inside(node)) {
      if (child.nodeType === Node.TEXT_NODE && child.data.trim()) {
        const range = document.createRange();
        range.selectNodeContents(child);
        check(child.data.trim(), range.getBoundingClientRect());
      }
      if (child.nodeType !== Node.ELEMENT_NODE) continue;
      const { display, visibility, textOverflow } = getComputedStyle(child);
      if (display === "none" || visibility === "hidden") continue;
      // Home Assistant's own lists shorten what they show, and say it in full elsewhere.
      if (textOverflow === "ellipsis") continue;
      if (child.localName === "dialog") check("dialog", child.getBoundingClientRect());
      look(child);
    }
  };
  const { scrollWidth } = document.scrollingElement;
  check("page", { left: 0, right: scrollWidth, width: scrollWidth });
  look(document.body);
  return found;
};
