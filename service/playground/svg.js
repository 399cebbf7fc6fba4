// A few lines of SVG.

const NAMESPACE = "http://www.w3.org/2000/svg";

/** An element with attributes and children, which may be text. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** Draw into an SVG element, in CSS pixels, whenever its width changes. Returns the function that draws again. */
export function drawn(svg, height, draw) {
  const again = () => {
    const width = svg.clientWidth;
    if (width === 0) return; // hidden
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", String(height));
    svg.replaceChildren(...draw(width));
  };
  new ResizeObserver(again).observe(svg);
  return again;
}

/** A number for an attribute. */
export function at(value) {
  return Number(value.toFixed(2));
}
