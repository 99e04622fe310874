package example;

/** A record, and a handler of such. */
public record Point(int x, Point next) {
    /** Moves a point. */
    public static class Mover {
        public Point move(Point point) {
            return new Point(point.x() + 1, point.next());
        }
    }
}
