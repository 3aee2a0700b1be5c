// Returns what keeps a person from reading the sentence that is shown.
() => {
  const notice = document.querySelector('#notice'), problems = [];
  const room = notice.getBoundingClientRect(), stop = document.querySelector('#stop').getBoundingClientRect();
  if (notice.scrollHeight > notice.clientHeight || notice.scrollWidth > notice.clientWidth) problems.push('cut off');
  for (const node of notice.children) {
    const box = node.getBoundingClientRect();
    if (parseFloat(getComputedStyle(node).fontSize) < 20) problems.push(`${node.id}: small letters`);
    if (node.scrollWidth > node.clientWidth) problems.push(`${node.id}: cut off`);
    const inside = box.left >= room.left && box.right <= room.right && box.top >= room.top && box.bottom <= room.bottom;
    if (!inside || box.right > stop.left || box.bottom > 480) problems.push(`${node.id}: out of its place`);
    for (const [x, y] of [[box.left + 4, box.top + 4], [box.right - 4, box.bottom - 4]]) {
      if (!notice.contains(document.elementFromPoint(x, y))) problems.push(`${node.id}: covered`);
    }
  }
  return problems;
}
